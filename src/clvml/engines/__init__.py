"""Other engines than the local DuckDB: Spark, and the SQL of warehouses."""
