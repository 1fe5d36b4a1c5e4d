"""Measures dashboard and report on made-up scored customers: import, first page, how long a reader waits.

python benchmarks/dashboard.py [--customers 1000000]
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.parse import quote

import duckdb
import requests
import uvicorn

from clvml.dashboard.app import build_app
from clvml.dashboard.server import listening
from clvml.dashboard.store import Snapshots
from clvml.report.document import build_page
from clvml.report.facts import read_facts

READERS = 10
ROUNDS = 10


def scored(customers: int, path: Path) -> None:
    """Write a scored file as `clvml score` would, with the columns of one."""
    with duckdb.connect() as connection:
        connection.execute("select setseed(0.5)")
        connection.execute(
            f"""
            copy (
                with drawn as (
                    select format('C{{:07d}}', i) as customer_id, random() as p,
                        exp(5 + 1.4 * sqrt(-2 * ln(random() + 1e-9))
                        * cos(6.283 * random())) as spent, (random() * 700)::int as age from range({customers}) as t(i)
                ), worth as (select *, round(spent * (1 - p) * 0.5, 2) as expected from drawn)
                select customer_id, '2024-03-01' as as_of, 90 as horizon_days, round(p, 6) as p_churn,
                    case when p < 1 / 3 then 'low' when p < 2 / 3 then 'medium' else 'high' end as churn_risk,
                    round(3 * (1 - p), 2) as expected_orders, expected as expected_spend,
                    round(expected * 0.1, 2) as expected_spend_low, round(expected * 2.4, 2) as expected_spend_high,
                    round(expected * 0.35, 2) as expected_spend_30d, expected as expected_spend_90d,
                    round(expected * 1.8, 2) as expected_spend_180d, round(expected * 3, 2) as expected_spend_365d,
                    round(expected * 0.8, 2) as clv, round(spent, 2) as historic_spend,
                    (date '2024-02-29' - age)::varchar as last_order_date,
                    case when p < 0.7 then (date '2024-03-02' + (p * 300)::int)::varchar end as next_order_date,
                    case when expected > 400 then 'platinum' when expected > 150 then 'gold' when expected > 40
                        then 'silver' else 'bronze' end as value_tier,
                    ['VIP', 'regular', 'future VIP', 'lapsing', 'first buyer to win back', 'valuable and drifting away',
                        'first buyer to turn into a regular', 'lost'][1 + (p * 8)::int % 8] as segment,
                    format('no purchase for {{}} days; usually every 31 (raises churn risk)', age) as reason_1,
                    'bought on 2 of the last 90 days (lowers churn risk)' as reason_2, null as reason_3,
                    '3' as model_version, '0123456789abcdef0123456789abcdef' as run_id, 31.2 as usual_gap_days,
                    'days_since_last_order+' as reason_1_key, format('{{}};31', age) as reason_1_values,
                    'purchase_days_90d-' as reason_2_key, '2' as reason_2_values, null as reason_3_key,
                    null as reason_3_values
                from worth order by clv desc
            ) to '{path}' (header)
            """
        )


def requests_of(number: int, customers: int) -> dict[str, str]:
    """Return what a reader asks, a little different each time."""
    some = f"{(number * 7919) % customers:07d}"
    segment = quote(["VIP", "regular", "lapsing", "lost"][number % 4])
    sort = ["clv", "-p_churn", "historic_spend", "last_order_date"][number % 4]
    return {
        "today": "/",
        "all customers": "/customers",
        "search": f"/customers?search={some[1:6]}",
        "filter": f"/customers?segment={segment}&risk={['low', 'medium', 'high'][number % 3]}&least={10 * number}",
        "cell": f"/customers?row={number % 4}&risk=high",
        "sort": f"/customers?sort={sort}",
        "page": f"/customers?page={1 + (number * 977) % max(customers // 25, 1)}",
        "customer": f"/customer?id=C{some}",
        "segments": "/segments",
        "plan": f"/plan?cost={1 + number % 3}&budget={1000 * (1 + number % 20)}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=1_000_000)
    customers = parser.parse_args().customers
    with tempfile.TemporaryDirectory(prefix="clvml-benchmark-", dir="/var/tmp") as name:
        folder = Path(name)
        scores = folder / "scores.csv"
        scored(customers, scores)
        start = time.perf_counter()
        page = build_page(read_facts(scores, None))
        print(
            f"report of {customers:,} customers: {time.perf_counter() - start:.1f} s, {len(page.encode()):,} bytes"
        )
        start = time.perf_counter()
        snapshots = Snapshots(scores, folder)
        snapshots.newest()
        seconds = time.perf_counter() - start
        size = next(folder.glob("*.duckdb")).stat().st_size
        print(f"{customers:,} customers, scored file {scores.stat().st_size / 1e6:,.0f} MB")
        print(f"import {seconds:.1f} s, database {size / 1e6:,.0f} MB\n")
        with listening("127.0.0.1", 0) as listener:
            app = build_app(snapshots, lambda: date(2024, 3, 2))
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                measured(f"http://127.0.0.1:{listener.getsockname()[1]}", customers)
            finally:
                server.should_exit = True
                thread.join()
        print(f"\npeak memory {_peak():,.0f} MB")


def measured(address: str, customers: int) -> None:
    sizes = {
        path: len(requests.get(address + path, timeout=60).content)
        for path in ("/", "/style.css", "/icon.svg", "/script.js")
    }
    print(f"first page: {sum(sizes.values()):,} bytes in {len(sizes)} requests {json.dumps(sizes)}\n")
    print("| ms | one reader: median | 95 % | ten readers: median | 95 % |\n|---|---|---|---|---|")
    alone = reader(address, customers, 0)
    with ThreadPoolExecutor(READERS) as pool:
        parts = list(pool.map(lambda number: reader(address, customers, number), range(1, READERS + 1)))
    for kind, times in alone.items():
        together = [value for part in parts for value in part[kind]]
        print(f"| {kind} | {' | '.join(f'{value:.0f}' for value in (*spread(times), *spread(together)))} |")
    everything = [value for times in alone.values() for value in times]
    together = [value for part in parts for times in part.values() for value in times]
    print(f"| all | {' | '.join(f'{value:.0f}' for value in (*spread(everything), *spread(together)))} |")


def reader(address: str, customers: int, number: int) -> dict[str, list[float]]:
    """Return how long each request took [ms], by kind."""
    times: dict[str, list[float]] = {}
    with requests.Session() as session:
        for turn in range(ROUNDS):
            for kind, path in requests_of(number * ROUNDS + turn, customers).items():
                start = time.perf_counter()
                answer = session.get(address + path, timeout=120)
                times.setdefault(kind, []).append(1000 * (time.perf_counter() - start))
                if answer.status_code != 200:
                    sys.exit(f"{path}: {answer.status_code}")
    return times


def spread(times: list[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[min(math.ceil(0.95 * len(ordered)), len(ordered)) - 1]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
