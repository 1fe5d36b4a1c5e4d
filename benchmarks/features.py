"""What features cost, against a bare group-by over the same file.

    python benchmarks/features.py            20 million purchases of 0.8 million customers
    python benchmarks/features.py --small    200,000 purchases, in seconds

Every case starts at one Parquet file (one line per purchase, text ids) and ends with a table in DuckDB, unless
it says otherwise. Cases take turns, so that a busy machine slows all of them alike; medians are printed. The
processor's time is the steadier figure where other programs run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb

from clvml.snapshots import CustomerDays

CACHE = Path(__file__).parent / ".cache"
HORIZON_DAYS = 180
STEP_DAYS = 30
AFTER_LAST_DAY = date(2023, 1, 1)
BARE = "bare group by customer, DuckDB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=800_000)
    parser.add_argument("--purchases", type=int, default=20_000_000)
    parser.add_argument("--cutoffs", type=int, default=6, help="cutoffs of the case with several (default 6)")
    parser.add_argument("--repeat", type=int, default=5, help="turns of every case (default 5)")
    parser.add_argument("--only-clvml", action="store_true", help="leave polars and pandas out")
    parser.add_argument("--small", action="store_true", help="200,000 purchases of 8,000 customers")
    parser.add_argument("--output", type=Path, help="also write the result, as .json or .md")
    arguments = parser.parse_args()
    if arguments.output and arguments.output.suffix not in (".json", ".md"):
        parser.error(f"--output must end in .json or .md (currently '{arguments.output}')")
    if arguments.small:
        arguments.customers, arguments.purchases = 8_000, 200_000

    path = generate_log(arguments.customers, arguments.purchases)
    cases = build_cases(path, arguments.cutoffs, arguments.only_clvml)
    result = {
        "customers": arguments.customers,
        "purchases": arguments.purchases,
        "repeat": arguments.repeat,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "versions": {"python": platform.python_version(), "duckdb": duckdb.__version__},
        "cases": measure(cases, arguments.repeat),
    }
    table = to_markdown(result)
    print(table)
    if arguments.output:
        text = table if arguments.output.suffix == ".md" else json.dumps(result, indent=2)
        arguments.output.write_text(text + "\n")


def generate_log(customers: int, purchases: int) -> Path:
    """Write three years of purchases to the cache, unless they are there, and return the file.

    Few customers buy much and many little; each has a first day of their own.
    """
    path = CACHE / f"log_{purchases}_{customers}.parquet"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    with duckdb.connect(config={"threads": 1}) as connection:  # several threads would share the seed
        connection.execute("select setseed(0.5)")
        connection.execute(f"""\
copy (
  select
    'C' || lpad(cast(customer as varchar), 8, '0') as customer_id,
    timestamp '2020-01-01'
      + to_seconds(cast(floor((first + (1 - first) * u) * 1095) * 86400 + floor(v * 86400) as bigint))
      as order_date,
    round(exp(1.5 + w + x), 2) as amount
  from (
    select *, hash(customer) / 18446744073709551616.0 * 0.8 as first
    from (
      select
        cast(floor({customers} * pow(random(), 1.6)) as bigint) as customer,
        random() as u, random() as v, random() as w, random() as x
      from range({purchases})
    )
  )
) to '{unfinished}' (format parquet, compression zstd)""")
    return unfinished.replace(path)


def build_cases(path: Path, cutoffs: int, only_clvml: bool) -> dict[str, Callable[[], object]]:
    """Return the cases by name, the bare group-by first."""

    def bare() -> object:
        with duckdb.connect() as connection:
            return connection.execute(
                "create table bare as select customer_id, count(*), sum(amount), min(order_date), max(order_date)"
                f" from '{path}' group by customer_id"
            )

    def features(count: int) -> object:
        with duckdb.connect() as connection:
            lines = f"(select customer_id, cast(order_date as date) as order_day, amount from '{path}')"
            days = CustomerDays(connection, lines)
            for k in range(count):
                cutoff = AFTER_LAST_DAY - timedelta(days=STEP_DAYS * k)
                query = days.features_query(cutoff, HORIZON_DAYS)
                connection.execute(f"create table features_{k} as {query}")
            return days

    def frame() -> object:
        with duckdb.connect() as connection:
            lines = f"(select customer_id, cast(order_date as date) as order_day, amount from '{path}')"
            return CustomerDays(connection, lines).features(AFTER_LAST_DAY, HORIZON_DAYS)

    def polars_days() -> object:
        import polars as pl

        days = pl.scan_parquet(path).group_by("customer_id", pl.col("order_date").dt.date())
        return days.agg(pl.col("amount").sum(), pl.len()).collect()

    def pandas_days() -> object:
        import pandas as pd

        lines = pd.read_parquet(path)
        keys = [lines["customer_id"], lines["order_date"].dt.normalize()]
        return lines.groupby(keys, sort=False)["amount"].agg(["sum", "count"])

    cases: dict[str, Callable[[], object]] = {
        BARE: bare,
        "features, 1 cutoff": lambda: features(1),
        f"features, {cutoffs} cutoffs": lambda: features(cutoffs),
        "features, 1 cutoff, to a pandas frame": frame,
    }
    if not only_clvml:
        for package, case in (("polars", polars_days), ("pandas", pandas_days)):
            if importlib.util.find_spec(package):
                cases[f"group by customer and day alone, {package}"] = case
    return cases


def measure(cases: dict[str, Callable[[], object]], repeat: int) -> dict[str, dict[str, float]]:
    """Run the cases in turns; return the medians of seconds and of their ratios to the bare group-by.

    Ratios are taken within a turn, where the machine was the same for both.
    """
    turns = []
    for _ in range(repeat):
        turn = {}
        for name, case in cases.items():
            wall, processor = time.perf_counter(), time.process_time()
            case()
            turn[name] = (time.perf_counter() - wall, time.process_time() - processor)
        turns.append(turn)

    def median(name: str, clock: int, relative: bool) -> float:
        values = [turn[name][clock] / (turn[BARE][clock] if relative else 1) for turn in turns]
        return round(statistics.median(values), 3)

    return {
        name: {
            "seconds": median(name, 0, False),
            "ratio": median(name, 0, True),
            "processor_seconds": median(name, 1, False),
            "processor_ratio": median(name, 1, True),
        }
        for name in cases
    }


def to_markdown(result: dict) -> str:
    lines = [
        f"{result['purchases']:,} purchases, {result['customers']:,} customers;"
        f" median of {result['repeat']}; {result['machine']}",
        "",
        "| case | seconds | ratio | processor seconds | ratio |",
        "|---|---|---|---|---|",
    ]
    for name, case in result["cases"].items():
        lines.append(
            f"| {name} | {case['seconds']:.2f} | {case['ratio']:.2f} x"
            f" | {case['processor_seconds']:.2f} | {case['processor_ratio']:.2f} x |"
        )
    one, several = list(result["cases"].values())[1:3]
    lines += [
        "",
        f"Several cutoffs cost {several['processor_seconds'] / one['processor_seconds']:.2f} x one.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
