"""How long it takes to find the customers behind ids that share keys, beside the bare joins of the same records.

    python benchmarks/identity.py                  10 million records, three keys
    python benchmarks/identity.py --records 100000

The bare join reads the records from their file and joins them with themselves on each key; its rows are counted. Both
run on a database of their own with the same limit of memory, one after the other; processor time and the largest memory
of each are printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

KEYS = ("email", "phone", "card")
# Three records in two customers have a sibling; every thousandth has a key that a shop wrote for many.
MAKE = """
COPY (
    WITH records AS (SELECT range AS record, hash(range) % ({records} * 6 // 10) AS customer FROM range({records}))
    SELECT 'r' || record AS id,
           CASE WHEN record % 1000 = 0 THEN 'info@shop.example'
                WHEN hash(record, 1) % 10 < 7 THEN 'customer' || customer || '@example.com' END AS email,
           CASE WHEN hash(record, 2) % 10 < 6 THEN '+4930' || (10000000 + customer) END AS phone,
           CASE WHEN hash(record, 3) % 10 < 4 THEN 'C' || customer END AS card
    FROM records
) TO '{file}' (FORMAT parquet)
"""
BARE = "SELECT count(*) FROM records AS a JOIN records AS b USING ({key}) WHERE {key} <> 'info@shop.example'"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--memory", default="6GB", help="limit of DuckDB")
    parser.add_argument("--part", choices=("join", "match"), help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        measure(arguments.part, Path(arguments.file), arguments.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.parquet"
        duckdb.execute(MAKE.format(records=arguments.records, file=file))
        for part in ("join", "match"):
            command = [sys.executable, __file__, "--part", part, "--file", file, "--memory", arguments.memory]
            subprocess.run(command, check=True)


def measure(part: str, file: Path, memory: str) -> None:
    connection = duckdb.connect(config={"memory_limit": memory, "temp_directory": str(file.parent / "spill")})
    started, used = time.perf_counter(), time.process_time()
    if part == "join":
        connection.execute(f"CREATE TABLE records AS FROM '{file}'")
        found = sum(connection.execute(BARE.format(key=key)).fetchall()[0][0] for key in KEYS)
    else:
        found = matched(connection, file)
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{part:<6} {seconds:6.1f} s, {processor:6.1f} s of processor, {most:.1f} GiB: {found:,}", flush=True
    )


def matched(connection: duckdb.DuckDBPyConnection, file: Path) -> int:
    from clvml.config import DataConfig
    from clvml.log.matching.crosswalk import match_customers

    connection.execute(f"CREATE VIEW purchases AS SELECT id AS customer_id, 1.0 AS amount FROM '{file}'")
    columns = {"customer_id": "id", "order_date": "day", "amount": "amount"}
    keys = {"source": str(file), "customer_id": "id", "columns": {key: key for key in KEYS}}
    data = DataConfig.model_validate(
        {"identity": {}, "sources": {"records": {"source": str(file), "columns": columns, "keys": keys}}}
    )
    count, _ = match_customers(connection, data, data.identity, ["purchases"])
    return count.customers


if __name__ == "__main__":
    main()
