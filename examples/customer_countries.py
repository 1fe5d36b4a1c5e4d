"""Writes a table of the customers of Online Retail II and the country of their first order: an attribute.

python examples/customer_countries.py
clvml experiment experiments/011-country-as-attribute.yaml
"""

from pathlib import Path

import duckdb

SOURCE = Path("data/online_retail_ii.parquet")
FILE = Path("out/customer_countries.csv")


def write(source: Path = SOURCE, file: Path = FILE) -> None:
    """Write one row per customer: ``customer_id, country``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select customer_id, arg_min(country, order_date) as country from '{source}'"
            f" where customer_id is not null group by customer_id order by customer_id) to '{file}' (header)"
        )


if __name__ == "__main__":
    write()
