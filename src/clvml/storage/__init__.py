"""What is read and written, and where: files and tables whole or not at all, the DuckDB that a command works in."""
