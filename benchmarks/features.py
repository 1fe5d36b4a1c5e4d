"""What features cost: against a bare group-by of DuckDB, and against how others summarise a log.

    python benchmarks/features.py            20 million purchases of 0.8 million customers; 1 million beside others
    python benchmarks/features.py --small    200,000 purchases, in seconds

Every case starts at one Parquet file (one line per purchase, text ids). In the first table it ends with a table in
DuckDB, unless it says otherwise; in the second with a frame of pandas. Cases take turns, so that a busy machine slows
all of them alike; medians are printed. The processor's time is the steadier figure where other programs run. The
others run in an environment of their own (`make peers`), and are left out where that is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
from purchases import AFTER_LAST_DAY, cached_purchases
from rivals import PACKAGES

from clvml.customers import available_features
from clvml.customers.snapshots import CustomerDays

HORIZON_DAYS = 180
STEP_DAYS = 30
BARE = "bare group by customer, DuckDB"
RFM = Path(__file__).parent / "peers" / "rfm.py"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=800_000)
    parser.add_argument("--purchases", type=int, default=20_000_000)
    parser.add_argument("--cutoffs", type=int, default=6, help="cutoffs of the case with several (default 6)")
    parser.add_argument("--repeat", type=int, default=5, help="turns of every case (default 5)")
    parser.add_argument("--small", action="store_true", help="200,000 purchases of 8,000 customers")
    parser.add_argument(
        "--peers-python", type=Path, default=PACKAGES.python, help="Python of the environment of the others"
    )
    arguments = parser.parse_args()
    customers, purchases = arguments.customers, arguments.purchases
    others = (41_000, 1_000_000)
    if arguments.small:
        customers, purchases = others = 8_000, 200_000
    path = cached_purchases(customers, purchases)
    seconds = in_turns(build_cases(path, arguments.cutoffs), arguments.repeat)
    print(heading(customers, purchases, arguments.repeat))
    print(bare_table(seconds))
    print()
    print(heading(*others, arguments.repeat))
    print(others_table(cached_purchases(*others), arguments.repeat, arguments.peers_python))


def build_cases(path: Path, cutoffs: int) -> dict[str, Callable[[], object]]:
    """Return the cases by name, the bare group-by first."""

    def bare() -> object:
        with duckdb.connect() as connection:
            return connection.execute(
                "create table bare as select customer_id, count(*), sum(amount), min(order_date), max(order_date)"
                f" from '{path}' group by customer_id"
            )

    def features(count: int) -> object:
        with duckdb.connect() as connection:
            days = CustomerDays(connection, lines_of(path))
            for k in range(count):
                cutoff = AFTER_LAST_DAY - timedelta(days=STEP_DAYS * k)
                query = days.features_query(cutoff, HORIZON_DAYS)
                connection.execute(f"create table features_{k} as {query}")
            return days

    return {
        BARE: bare,
        "features, 1 cutoff": lambda: features(1),
        f"features, {cutoffs} cutoffs": lambda: features(cutoffs),
        "features, 1 cutoff, to a pandas frame": lambda: features_frame(path),
    }


def features_frame(path: Path) -> object:
    with duckdb.connect() as connection:
        return CustomerDays(connection, lines_of(path)).features(AFTER_LAST_DAY, HORIZON_DAYS)


def lines_of(path: Path) -> str:
    return f"(select customer_id, cast(order_date as date) as order_day, amount from '{path}')"


def in_turns(cases: dict[str, Callable[[], object]], repeat: int) -> dict[str, list[tuple[float, float]]]:
    """Return the wall and processor seconds of every turn of each case; cases take turns."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(repeat):
        for name, case in cases.items():
            wall, processor = time.perf_counter(), time.process_time()
            case()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


def bare_table(seconds: dict[str, list[tuple[float, float]]]) -> str:
    """Return medians and their ratios to the bare group-by in Markdown.

    Ratios are taken within a turn, where the machine was the same for both.
    """
    lines = ["| case | seconds | ratio | processor seconds | ratio |", "|---|---|---|---|---|"]
    for name, turns in seconds.items():
        cells = [name]
        for clock in (0, 1):
            ratios = [turn[clock] / bare[clock] for turn, bare in zip(turns, seconds[BARE], strict=True)]
            cells.append(f"{statistics.median(turn[clock] for turn in turns):.2f}")
            cells.append(f"{statistics.median(ratios):.2f} x")
        lines.append(f"| {' | '.join(cells)} |")
    one, several = (statistics.median(turn[1] for turn in turns) for turns in list(seconds.values())[1:3])
    return "\n".join([*lines, "", f"Several cutoffs cost {several / one:.2f} x one."])


def others_table(path: Path, repeat: int, python: Path) -> str:
    """Return what a summary of the log costs by other packages, beside all features, in Markdown."""
    clvml = f"clvml, {len(available_features(()))} features of 1 cutoff"
    note = "The others are not measured: their environment is missing (`make peers`)."
    turns: list[dict[str, tuple[float, float]]] = []
    for _ in range(repeat):
        # The second time each, because the first loads what a library loads late.
        turn = {clvml: in_turns({clvml: lambda: features_frame(path)}, 2)[clvml][1]}
        if python.exists():
            command = [python, RFM, path, "2"]
            done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            turn |= {name: seconds[1] for name, seconds in done["seconds"].items()}
            versions = ", ".join(f"{package} {version}" for package, version in done["versions"].items())
            note = f"The others make 4 columns: frequency, recency, T and monetary value. {versions}."
        turns.append(turn)
    lines = [
        "| to a pandas frame | seconds | of clvml | processor seconds | of clvml |",
        "|---|---|---|---|---|",
    ]
    for name in turns[0]:
        cells = [name]
        for clock in (0, 1):
            cells.append(f"{statistics.median(turn[name][clock] for turn in turns):.2f}")
            cells.append(
                f"{statistics.median(turn[name][clock] / turn[clvml][clock] for turn in turns):.2f} x"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", note])


def heading(customers: int, purchases: int, repeat: int) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return (
        f"{purchases:,} purchases, {customers:,} customers; median of {repeat}; {machine}; DuckDB"
        f" {duckdb.__version__}\n"
    )


if __name__ == "__main__":
    main()
