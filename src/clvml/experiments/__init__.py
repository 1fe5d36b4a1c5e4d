"""Experiments: a question as a file, answered out of time by variants of one configuration."""
