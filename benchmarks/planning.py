"""What a plan of many customers costs: seconds, memory and the gap to the bound.

    python benchmarks/planning.py                      10,000, 100,000 and 1 million customers, 6 actions, 5 caps
    python benchmarks/planning.py --customers 10_000   one size

Customers are made up: values log-normal, churn probabilities uniform. The budget is a third of what would pay. "Whole
plan" is `clvml.plan` on a frame, with the curve, the control group and the plans at half and one and a half times the
effects.
"""

from __future__ import annotations

import argparse
import functools
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from clvml.decide.allocation import allocate
from clvml.decide.gains import Gains
from clvml.decide.market import Market, Task
from clvml.decide.plan import make_plan
from clvml.decide.playbook import parse_playbook

SIZES = (10_000, 100_000, 1_000_000)
BUDGETS = 20
# Contact cost, incentive, redeem rate, save rate, cap as a share of the customers.
ACTIONS = {
    "check_in": (0.1, 0.0, 0.0, 0.01, None),
    "message": (1.0, 0.0, 0.0, 0.03, 0.05),
    "offer": (0.5, 10.0, 0.33, 0.06, 0.10),
    "gift": (12.0, 0.0, 0.0, 0.08, 0.02),
    "call": (8.0, 0.0, 0.0, 0.08, 0.01),
    "programme": (2.0, 15.0, 0.5, 0.10, 0.05),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int)
    parser.add_argument(
        "--one", action="store_true", help="print the row of one size, for the process of its own"
    )
    asked = parser.parse_args()
    if asked.one:
        print(row(asked.customers))
        return
    print(
        "| customers | allocation | gap | 20 budgets | whole plan | memory |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for size in [asked.customers] if asked.customers else SIZES:
        # The peak of memory is that of a process.
        words = [sys.executable, __file__, "--customers", str(size), "--one"]
        print(
            subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1],
            flush=True,
        )


def row(customers: int) -> str:
    """Return a line of the table: seconds of the wall clock, and of the processor in brackets."""
    scores, playbook = scored(customers), book(customers)
    gains = Gains.of(scores, playbook)
    caps = np.array(
        [np.inf if action.cap is None else float(action.cap) for action in playbook.actions.values()]
    )
    task = Task(gains.gain(), gains.cost(), caps)
    most = allocate(task, np.inf).totals.cost
    market = Market(task)
    found, allocation = timed(functools.partial(allocate, task, most / 3, market))
    _, budgets = timed(functools.partial(curve, market, most))
    # The whole plan makes its own.
    del market, task, gains
    _, whole = timed(lambda: make_plan(scores, playbook, most / 3))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return f"| {customers:,} | {allocation} | {found.gap:.5%} | {budgets} | {whole} | {memory:.2f} GiB |"


def curve(market: Market, most: float) -> np.ndarray:
    """Return what each of some budgets brings."""
    prices, budgets = None, np.linspace(0, most, BUDGETS)
    for budget in budgets:
        prices = market.settle(float(budget), prices, 1e-4)[0]
    return market.values(budgets.tolist())


def timed(work):  # type: ignore[no-untyped-def]
    """Return what work gives, and the seconds that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, f"{time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f})"


def scored(customers: int) -> pd.DataFrame:
    """Return a scored table of made-up customers."""
    draw = np.random.default_rng(1)
    p = draw.uniform(0, 1, customers)
    clv = draw.lognormal(4, 1.2, customers) * (1 - p)
    numbers = {"p_churn": p, "clv": clv, "expected_spend": clv / 0.3, "historic_spend": clv / 0.3}
    texts = {
        "as_of": "2026-01-01",
        "value_tier": "gold",
        "segment": "regular",
        "model_version": "1",
        "run_id": "r",
    }
    frame = pd.DataFrame(
        {"customer_id": np.arange(customers).astype(str), "horizon_days": 180, **numbers, **texts}
    )
    return frame.astype(dict.fromkeys(["customer_id", *texts], "string"))


def book(customers: int):  # type: ignore[no-untyped-def]
    """Return a playbook of six actions, five of which have caps."""
    actions = {
        name: {
            "contact_cost": contact,
            "incentive_cost": incentive,
            "redeem_rate": redeem,
            "save_rate": {"mean": save, "sd": save / 2},
            "cap": None if cap is None else int(cap * customers),
        }
        for name, (contact, incentive, redeem, save, cap) in ACTIONS.items()
    }
    return parse_playbook({"campaign": "benchmark", "actions": actions})


if __name__ == "__main__":
    main()
