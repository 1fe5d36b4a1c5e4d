"""What to do with scores: worth, playbook, plan, control group, lists, uplift. Knows no model."""
