"""The scored table: segments, scorer, batches."""
