"""What training on many customers costs beside the XGBoost fits in it, and where its time goes.

    python benchmarks/training.py                      1 million customers, 20 purchases each, 6 cutoffs
    python benchmarks/training.py --customers 20_000   in a minute
    python benchmarks/training.py --sample             forecasts of a model of all customers and of a sample
    python benchmarks/training.py --command            all that `make train` does, on Online Retail II

The model of many customers is fitted once, without test dates, on a sample of them. Its trees see `model.max_rows` of
the rows; beside it stands one XGBoost fit of the same trees on the rows of all. The processor's time is the steadier
figure where other programs run, with `OMP_WAIT_POLICY=PASSIVE`: threads that spin count as work of the fits.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from purchases import AFTER_LAST_DAY, cached_purchases

from cases import ROOT
from clvml.config import Config, parse_config, read_config
from clvml.customers.snapshots import CustomerDays
from clvml.customers.windows import training_cutoffs
from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS
from clvml.log import read_purchase_log
from clvml.models.boosting import ChurnClassifier, SpendRegressor
from clvml.models.btyd import BetaGeometric
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.scores.scorer import customer_days
from clvml.storage.workspace import workspace
from clvml.workflows import logged_training, train_and_log, training

LINES_PER_CUSTOMER = 20
CUTOFFS = 6
HORIZON_DAYS = 90
MEASURED = ("wape", "rmse", "spearman", "gini", "total_bias", "roc_auc", "log_loss", "brier")
PARTS = {
    "features and labels": [(CustomerDays, "_frame")],
    "BTYD fits": [(BetaGeometric, "fit")],
    "XGBoost fits": [(ChurnClassifier, "fit"), (SpendRegressor, "fit")],
}
PARTS_OF_COMMAND = PARTS | {
    "comparison with the baselines": [(training, "judge")],
    "pictures": [(training, "draw_pictures")],
    "MLflow": [(logged_training, "_log_or_keep")],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--sample", action="store_true", help="compare forecasts instead of seconds")
    parser.add_argument("--command", action="store_true", help="measure the whole command instead")
    arguments = parser.parse_args()
    if arguments.command:
        print(command_table())
    else:
        print((sample_table if arguments.sample else training_table)(arguments.customers))


@contextmanager
def purchase_days(customers: int) -> Iterator[tuple[CustomerDays, Config]]:
    """Give the purchase days of a log of `purchases`, and what to train with."""
    source = cached_purchases(customers, LINES_PER_CUSTOMER * customers)
    columns = {name: name for name in ("customer_id", "order_date", "amount")}
    windows = {"horizon_days": HORIZON_DAYS, "max_cutoffs": CUTOFFS}
    config = parse_config(
        {"data": {"source": str(source), "columns": columns}, "windows": windows}, "benchmark"
    )
    with workspace() as connection:
        log = read_purchase_log(
            config.data, connection=connection, now=datetime(2024, 1, 1, tzinfo=UTC), as_of=AFTER_LAST_DAY
        )
        yield customer_days(log), config


def sample_table(customers: int) -> str:
    """Return metrics out of time of a model of all customers, with another seed, and of a sample, in Markdown."""
    cutoff = AFTER_LAST_DAY - timedelta(days=HORIZON_DAYS)
    metrics = {name: (SPEND_METRICS | CHURN_METRICS)[name] for name in MEASURED}
    lines = [
        f"| trained on | {' | '.join(metric.label for metric in metrics.values())} | in the interval |",
        "|---" * (len(metrics) + 2) + "|",
    ]
    with purchase_days(customers) as (days, config):
        test = days.snapshots([cutoff], HORIZON_DAYS)
        everybody = mock.patch.object(CustomerDays, "sampled", lambda days, cutoff, most: days)
        ways = [
            ("all", 0, everybody),
            ("all, another seed", 1, everybody),
            ("a sample", 0, nullcontext()),
        ]
        for name, seed, sampling in ways:
            with sampling:
                model = fit_customer_model(days, cutoff, config.model_copy(update={"seed": seed}))
            predicted = model.predict(test, cutoff)
            spent = test["actual_spend"]
            covered = spent.between(predicted["expected_spend_low"], predicted["expected_spend_high"]).mean()
            of_spend, of_churn = (spent, predicted["expected_spend"]), (test["churned"], predicted["p_churn"])
            values = [
                metric.text(metric.function(*(of_spend if key in SPEND_METRICS else of_churn)))
                for key, metric in metrics.items()
            ]
            lines.append(f"| {name} | {' | '.join(values)} | {covered:.1%} |")
    return (
        "\n".join(lines) + f"\n\n{customers:,} customers; forecasts of {HORIZON_DAYS} days from {cutoff} on."
    )


def training_table(customers: int) -> str:
    """Return seconds of a training by part, of one XGBoost fit on all its rows, and the memory, in Markdown."""
    with purchase_days(customers) as (days, config):
        with timed_parts(PARTS) as parts:
            model, whole = timed(lambda: fit_customer_model(days, AFTER_LAST_DAY, config))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        cutoffs = training_cutoffs(days.first_day, AFTER_LAST_DAY, config.windows)
        rows = pd.concat([predictors(days, model, cutoff) for cutoff in cutoffs], ignore_index=True)
    _, all_rows = timed(lambda: ChurnClassifier().fit(rows.drop(columns="churned"), rows["churned"]))
    parts["everything else"] = whole - sum(parts.values())
    fits = parts["XGBoost fits"]
    lines = [
        "| | seconds | processor | beside the XGBoost fits in it | beside one on all rows |",
        "|---|---|---|---|---|",
    ]
    for name, (wall, processor) in {
        "training": whole,
        **parts,
        "one XGBoost fit on all rows": all_rows,
    }.items():
        lines.append(
            f"| {name} | {wall:.1f} | {processor:.1f} | {processor / fits[1]:.2f} x | {processor / all_rows[1]:.2f} x |"
        )
    return (
        "\n".join(lines)
        + f"\n\n{customers:,} customers, {len(rows):,} rows of {rows.shape[1] - 1} features at {len(cutoffs)} cutoffs;"
        f" the trees see {config.model.max_rows:,} of them. Peak memory of the training: {peak:.1f} GiB."
    )


def command_table() -> str:
    """Return seconds of `clvml train` on Online Retail II by part, its test dates included, in Markdown."""
    loaded = time.process_time()
    config = read_config(ROOT / "configs" / "online_retail.yaml")
    with (
        tempfile.TemporaryDirectory() as folder,
        workspace() as connection,
        timed_parts(PARTS_OF_COMMAND) as parts,
    ):
        store = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        _, (wall, processor) = timed(lambda: train_and_log(config, store, datetime.now(UTC), connection))
    fits = parts["XGBoost fits"][1]
    parts["everything else"] = np.array([wall, processor]) - sum(parts.values())
    rows = {
        "reading, training, testing": (wall, processor) - parts["MLflow"],
        **parts,
    }
    lines = ["| | seconds | processor | beside the XGBoost fits in it |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {seconds:.1f} | {busy:.1f} | {busy / fits:.2f} x |"
        for name, (seconds, busy) in rows.items()
    ]
    return (
        "\n".join(lines)
        + f"\n\nOnline Retail II; loading the program takes {loaded:.1f} more processor seconds."
    )


def predictors(days: CustomerDays, model: CustomerModel, cutoff: Any) -> pd.DataFrame:
    """Return the columns that the trees read, and whether the customer left."""
    frame = days.snapshots([cutoff], HORIZON_DAYS)
    return model.frame(frame, cutoff)[[*model.trees.predictors, "churned"]].astype(np.float32)


@contextmanager
def timed_parts(watch: dict[str, list[tuple[Any, str]]]) -> Any:
    """Add up what functions take while the block runs: {part: [seconds, processor seconds]}."""
    spent = {name: np.zeros(2) for name in watch}

    def watched(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            result, seconds = timed(lambda: function(*args, **kwargs))
            spent[name] += seconds
            return result

        return run

    patches = [
        mock.patch.object(owner, method, watched(getattr(owner, method), name))
        for name, methods in watch.items()
        for owner, method in methods
    ]
    for patch in patches:
        patch.start()
    try:
        yield spent
    finally:
        for patch in patches:
            patch.stop()


def timed(work: Callable[[], Any]) -> tuple[Any, Any]:
    """Return the result and the seconds of the wall clock and of the processor, shape (2,)."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, np.array([time.perf_counter() - wall, time.process_time() - processor])


if __name__ == "__main__":
    main()
