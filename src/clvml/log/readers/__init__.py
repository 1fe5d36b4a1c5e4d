"""From a source to parts: files of any kind, frames and database tables as DuckDB relations of cells."""
