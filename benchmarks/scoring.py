"""What scoring costs beside its features, for all sizes of customer bases, and what exact SHAP values cost.

    python benchmarks/scoring.py            10,000 to 1 million customers, 20 purchases each
    python benchmarks/scoring.py --small    2,000 and 10,000 customers, in a minute

A model is trained on 10,000 such customers first. Cases of one size take turns in one run; the processor's time is
the steadier figure where other programs run. "features" is the table in DuckDB that scoring starts from, and the other
cases include it: they end with the scored file in CSV.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from features import HORIZON_DAYS, in_turns
from purchases import AFTER_LAST_DAY, cached_purchases

from clvml import workflows
from clvml.config import parse_config
from clvml.explain import shap_values
from clvml.explain.driver_plots import shap
from clvml.log import PurchaseLog, read_purchase_log
from clvml.scores.batches import score_in_batches
from clvml.scores.scorer import Scorer, customer_days
from clvml.storage.workspace import workspace

TRAINED_ON = 10_000
LINES_PER_CUSTOMER = 20
SIZES = (10_000, 100_000, 1_000_000)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="2,000 and 10,000 customers")
    parser.add_argument(
        "--repeat", type=int, default=3, help="turns of a case; of 1 million always one (default 3)"
    )
    parser.add_argument("--shap-rows", type=int, default=2_000, help="customers to explain (default 2,000)")
    arguments = parser.parse_args()
    sizes = (2_000, 10_000) if arguments.small else SIZES
    with tempfile.TemporaryDirectory() as folder:
        scorer = train(Path(folder), trees=20 if arguments.small else None)
        print(scoring_table(scorer, Path(folder), sizes, arguments.repeat))
        print()
        print(shap_table(scorer, arguments.shap_rows, arguments.repeat))


def config(customers: int, trees: int | None = None) -> Any:
    model = {"model": {"n_estimators": trees}} if trees else {}
    columns = {name: name for name in ("customer_id", "order_date", "amount")}
    source = cached_purchases(customers, LINES_PER_CUSTOMER * customers)
    raw = {"data": {"source": str(source), "columns": columns}, "windows": {"horizon_days": HORIZON_DAYS}}
    return parse_config({**raw, **model, "evaluation": {"folds": 1, "bootstrap_samples": 100}}, "benchmark")


def train(folder: Path, trees: int | None) -> Scorer:
    settings = config(TRAINED_ON, trees)
    prepared = workflows.prepare(settings.data, NOW, as_of=AFTER_LAST_DAY)
    return workflows.train(prepared, settings, folder).scorer


def scoring_table(scorer: Scorer, folder: Path, sizes: tuple[int, ...], repeat: int) -> str:
    """Return seconds and ratios to the features in Markdown, a row per number of customers and case.

    The last column is of the processor's time."""
    rows = []
    for size in sizes:
        with workspace() as connection:
            log = read_purchase_log(config(size).data, connection=connection, now=NOW, as_of=AFTER_LAST_DAY)
            # The largest takes its minutes, and one turn of it is as steady as three of the smallest.
            turns = 1 if size == max(SIZES) else repeat
            seconds = in_turns(scoring_cases(scorer, log, folder / "scores.csv"), turns)
        bare_wall, bare_processor = medians(seconds["features"])
        for name, times in seconds.items():
            wall, processor = medians(times)
            rows.append(
                f"| {size:,} | {name} | {wall:.2f} | {wall / bare_wall:.2f} x | {processor:.2f}"
                f" | {processor / bare_processor:.2f} x | {1e6 * processor / size:,.0f} |"
            )
    heads = "customers | case | seconds | ratio | processor seconds | ratio | microseconds a customer"
    return "\n".join([f"| {heads} |", "|---" * 7 + "|", *rows])


def scoring_cases(scorer: Scorer, log: PurchaseLog, output: Path) -> dict[str, Callable[[], None]]:
    """Return the cases of one log, the features alone first."""

    def features() -> None:
        query = customer_days(log).features_query(AFTER_LAST_DAY, HORIZON_DAYS)
        log.connection.execute(f"create or replace table bare as {query}")

    def scored(explain: Any) -> None:
        score_in_batches(scorer, customer_days(log), AFTER_LAST_DAY, explain).write(output)

    return {
        "features": features,
        "scored without reasons": lambda: scored("none"),
        "scored with all reasons": lambda: scored("all"),
    }


def shap_table(scorer: Scorer, customers: int, repeat: int) -> str:
    """Return what SHAP values of the same model and rows cost by each way to them, in Markdown."""
    trees = scorer.model.trees
    booster = trees.churn.trees.booster_
    prepared = workflows.prepare(config(TRAINED_ON).data, NOW, as_of=AFTER_LAST_DAY)
    frame = customer_days(prepared.log).features(AFTER_LAST_DAY, HORIZON_DAYS).head(customers)
    matrix = trees.rows(scorer.model.frame(frame, AFTER_LAST_DAY))
    explainer = shap.TreeExplainer(booster)
    names = booster.feature_names
    found: dict[str, Any] = {}

    def keep(name: str, work: Callable[[], Any]) -> Callable[[], None]:
        return lambda: found.update({name: work()})

    ways: dict[str, Callable[[], Any]] = {
        "shap.TreeExplainer": lambda: explainer.shap_values(matrix),
        "XGBoost pred_contribs": lambda: booster.predict(
            xgb.DMatrix(matrix, feature_names=names), pred_contribs=True
        )[:, :-1],
        "look-up tables (clvml)": lambda: shap_values(booster, matrix)[:, :-1],
    }
    if importlib.util.find_spec("woodelf"):
        import pandas as pd
        from woodelf import WoodelfExplainer

        woodelf, rows = WoodelfExplainer(booster), pd.DataFrame(matrix, columns=names)
        ways["woodelf-explainer"] = lambda: woodelf.shap_values(rows, verbose=False)
    shap_values(booster, matrix[:100])
    seconds = in_turns({name: keep(name, work) for name, work in ways.items()}, repeat)
    slowest = "shap.TreeExplainer"
    most = medians(seconds[slowest])[0]
    lines = [
        f"{len(matrix):,} customers, {booster.num_boosted_rounds()} trees; clvml's tables made beforehand.",
        "",
        "| way | seconds | faster than shap.TreeExplainer | largest difference |",
        "|---|---|---|---|",
    ]
    for name, times in seconds.items():
        wall, difference = medians(times)[0], np.abs(found[name] - found[slowest]).max()
        lines.append(f"| {name} | {wall:.3f} | {most / wall:.1f} x | {difference:.1e} |")
    return "\n".join(lines)


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median wall and processor seconds of a case."""
    wall, processor = (statistics.median(clock) for clock in zip(*times, strict=True))
    return wall, processor


if __name__ == "__main__":
    main()
