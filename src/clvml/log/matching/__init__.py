"""From the ids of several sources to customers: keys, mappings and likeness."""
