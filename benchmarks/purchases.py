"""Makes purchase logs of any size as Parquet files, the same bytes for the same numbers.

    python benchmarks/purchases.py --purchases 100_000_000 --customers 5_000_000 --output purchases.parquet

One line per purchase, three years up to `AFTER_LAST_DAY`, text ids. Few customers buy much and many little; each has a
first and a last day of their own, and a third still buy at the end.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import duckdb

CACHE = Path(__file__).parent / ".cache"
AFTER_LAST_DAY = date(2023, 1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--purchases", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--output", type=Path, required=True, help="a .parquet file")
    arguments = parser.parse_args()
    write_purchases(arguments.output, arguments.customers, arguments.purchases)


def cached_purchases(customers: int, purchases: int) -> Path:
    """Return a file of the cache with such a log; it is made where it is missing."""
    path = CACHE / f"purchases_{purchases}_{customers}.parquet"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        write_purchases(path, customers, purchases)
    return path


def write_purchases(path: Path, customers: int, purchases: int) -> None:
    """Write a log; rows stream into the file, so that its size is bound by the disk alone."""
    unfinished = path.with_suffix(".tmp")
    # Hashes of distinct numbers: unlike random() they do not depend on which thread makes which row, and unlike
    # hash(line, k), which combines two hashes, they do not depend on each other.
    customer, moment, second, size, spread = (_uniform(f"line * 8 + {k}") for k in range(5))
    first, last = _uniform("customer * 8 + 5"), _uniform("customer * 8 + 6")
    with duckdb.connect() as connection:
        connection.execute(f"""\
copy (
  select
    'C' || lpad(cast(customer as varchar), 8, '0') as customer_id,
    timestamp '2020-01-01'
      + to_seconds(cast(floor((first + (1 - first) * last * moment) * 1096) * 86400 + floor(second * 86400) as bigint))
      as order_date,
    round(exp(1.5 + size + spread), 2) as amount
  from (
    select *, {first} * 0.8 as first, least({last} * 1.5, 1) as last
    from (
      select
        cast(floor({customers} * pow({customer}, 1.6)) as bigint) as customer,
        {moment} as moment, {second} as second, {size} as size, {spread} as spread
      from range({purchases}) as lines(line)
    )
  )
) to '{unfinished}' (format parquet, compression zstd)""")
    unfinished.replace(path)


def _uniform(number: str) -> str:
    """Return SQL of a number in [0, 1) made from a whole number."""
    return f"(hash(cast({number} as bigint)) >> 11) / 9007199254740992.0"


if __name__ == "__main__":
    main()
