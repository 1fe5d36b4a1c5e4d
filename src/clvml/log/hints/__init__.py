"""Proposals for a configuration, from what the columns say that it does not use."""
