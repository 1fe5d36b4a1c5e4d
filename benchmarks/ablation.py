"""What each part of the forecast brings: re-makes the table in docs/model.md.

    python benchmarks/ablation.py              every part, on every log; forecasts are kept in benchmarks/.cache
    python benchmarks/ablation.py --only cdnow

A part is left out, the rest stays as configured, and the same customers are predicted at the same dates.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from accuracy import Log, export_data
from measures import constant_scores
from simulated import KINDS, simulated

from cases import CACHE, ROOT
from clvml.evaluation.metrics import brier, gini, log_loss, rmse, roc_auc, total_bias

PAGE = ROOT / "docs" / "model.md"
START, END = "<!-- parts: make ablation -->\n", "<!-- end of parts -->\n"
AS_CONFIGURED = "as configured"
# What is left out, and the settings that do so.
PARTS: dict[str, tuple[str, ...]] = {
    AS_CONFIGURED: (),
    "trees: the prior alone": ("model.n_estimators=1", "model.learning_rate=0.000001"),
    "prior: trees from nothing, without its forecasts as features": (
        "model.base=none",
        "model.leave_out=[prior]",
    ),
    "BTYD to start from: trailing spend alone": ("model.base=trailing",),
    "trailing spend to start from: BTYD alone": ("model.base=btyd",),
    "spend trees from nothing and learnt weights: the mean of the others": ("model.spend=mean",),
    "spend in parts: one Tweedie model alone": ("model.spend=tweedie",),
    "one Tweedie model: spend in parts alone": ("model.spend=hurdle",),
    "anchor": ("model.calibrate=false",),
    "season": ("model.season=false",),
    "past windows: the newest alone": ("windows.max_cutoffs=1",),
}
HEADS = {
    "rmse": "RMSE",
    "gini": "Gini",
    "total": "total",
    "roc_auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier",
}


class Case(NamedTuple):
    """One log at one date."""

    log: str
    cutoff: date
    horizon_days: int


CASES = (
    Case("cdnow", date(1998, 1, 1), 90),
    Case("cdnow", date(1998, 4, 1), 30),
    Case("online_retail", date(2011, 3, 1), 90),
    Case("online_retail", date(2011, 6, 1), 180),
    Case("online_retail", date(2011, 9, 1), 90),
    Case("groceries", date(2017, 9, 15), 30),
    Case("supermarket", date(2001, 1, 5), 14),
    Case("simulated_orders", date(2014, 10, 1), 30),
    *(Case(kind, date(2022, 10, 1), 90) for kind in KINDS),
    *(Case(kind, date(2022, 10, 1), 180) for kind in KINDS),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="logs whose name holds this; the page stays as it is")
    only = parser.parse_args().only
    cases = [case for case in CASES if only in case.log]
    if not all(case.log in (*KINDS, "cdnow", "online_retail") for case in cases):
        export_data()
    table = changes(measured(cases))
    if only:
        print(table)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(before + START + table + END + rest.partition(END)[2], encoding="utf-8")


def measured(cases: list[Case]) -> pd.DataFrame:
    """Return one row per case and part: its skills."""
    logs, rows = {}, []
    for case in cases:
        if case.log not in logs:
            source = str(simulated(case.log, CACHE)) if case.log in KINDS else None
            logs[case.log] = Log(case.log, source, "simulated_orders" if source else case.log)
        log = logs[case.log]
        for part, settings in PARTS.items():
            place = log.our_prediction(case.cutoff, case.horizon_days, settings)
            said = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            if said["error"]:
                sys.exit(f"{case.log} {case.cutoff}: {said['error']}")
            test = log.test(case.cutoff, case.horizon_days)
            made = pd.read_parquet(place.with_suffix(".parquet")).set_index("customer_id")
            made = made.reindex(test["customer_id"])
            rows.append({**case._asdict(), "part": part, **skills(test, made)})
    return pd.DataFrame(rows)


def skills(test: pd.DataFrame, made: pd.DataFrame) -> dict[str, float]:
    """Return the skills of a forecast: 1 is perfect, 0 the best constant (the total: 0 is perfect)."""
    constant = constant_scores(test)
    spend, churned = test["actual_spend"], test["churned"]
    return {
        "rmse": 1 - rmse(spend, made["spend"]) / constant["rmse"],
        "gini": float(gini(spend, made["spend"])),
        "total": -abs(np.log1p(total_bias(spend, made["spend"]))),
        "roc_auc": 2 * roc_auc(churned, made["churn"]) - 1,
        "log_loss": 1 - log_loss(churned, made["churn"]) / constant["log_loss"],
        "brier": 1 - brier(churned, made["churn"]) / constant["brier"],
    }


def changes(found: pd.DataFrame) -> str:
    """Return what leaving out each part changes, in points of skill: mean over logs and its standard error."""
    keys = ["log", "cutoff", "horizon_days"]
    whole = found[found["part"] == AS_CONFIGURED].set_index(keys)[list(HEADS)]
    rows = []
    for part in found["part"].unique():
        if part == AS_CONFIGURED:
            continue
        own = found[found["part"] == part].set_index(keys)[list(HEADS)]
        by_log = 100 * (own - whole).groupby(level="log").mean()
        error = by_log.std() / np.sqrt(len(by_log))
        cells = [f"{mean:+.1f} ± {spread:.1f}" for mean, spread in zip(by_log.mean(), error, strict=True)]
        rows.append([part, *cells])
    logs, dates = found["log"].nunique(), len(whole)
    lines = ["| " + " | ".join(row) + " |" for row in [["left out", *HEADS.values()], ["---"] * 7, *rows]]
    return (
        "What leaving out one part changes, in hundredths of skill (1 is a perfect forecast, 0 the best constant; for\n"
        "the total 100 x |log|, turned round): below 0 the part helps. Means over\n"
        f"{logs} logs ({dates} dates), and their standard errors over logs.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
