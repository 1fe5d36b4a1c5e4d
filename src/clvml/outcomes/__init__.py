"""What came of it: scores and data held against what happened."""
