"""The dates of a backtest, each measured on its customers and again on drawn ones.

Customers are drawn, not rows: the same customer returns at every cutoff, and all its rows go together (Cameron, Gelbach
and Miller 2008, Review of Economics and Statistics 90).
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.errors import did_you_mean
from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS, Array, Metric, check_arrays, check_churn
from clvml.evaluation.resampling import Drawn, Ranking, Sample

# Resamples computed together: enough to keep the processor busy, few enough to stay in its cache.
BLOCK = 16
# Customers x resamples held at once per thread, 32 MB an array: bounds the memory for millions of customers.
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class ModelColumns:
    """Where the predictions of one model are: the columns of expected spend and of p_churn, or None."""

    name: str
    spend: str | None = None
    churn: str | None = None


# Expected spend and p_churn by model; None where it has none.
Forecasts = dict[str, tuple[Array | None, Array | None]]


def put_forecasts(rows: pd.DataFrame, forecasts: Forecasts) -> tuple[ModelColumns, ...]:
    """Put what models say of each row into columns of a frame, in place; return which column is whose."""
    models = []
    for number, (name, said) in enumerate(forecasts.items()):
        own = {
            kind: values for kind, values in zip(("spend", "churn"), said, strict=True) if values is not None
        }
        for kind, values in own.items():
            rows[f"{kind}_{number}"] = values
        models.append(ModelColumns(name, **{kind: f"{kind}_{number}" for kind in own}))
    return tuple(models)


class Target(NamedTuple):
    metrics: dict[str, Metric]
    actual: Array
    ranking: Ranking
    predicted: dict[str, tuple[Array, Ranking]]


class Fold(NamedTuple):
    cutoff: Any
    customers: NDArray[np.intp]
    targets: list[Target]


Values = dict[tuple[str, str], Array]


def check_predictions(
    predictions: pd.DataFrame, models: tuple[ModelColumns, ...], champion: str, samples: int, seed: int
) -> None:
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"each model needs a name of its own: {twice} come more than once")
    if champion not in names:
        raise ValueError(f"champion {champion!r} is not one of {names}{did_you_mean(champion, names)}")
    if samples < 1 or seed < 0:
        raise ValueError(
            f"samples must be at least 1 and seed not negative (currently samples={samples}, seed={seed})"
        )
    empty = [model.name for model in models if model.spend is None and model.churn is None]
    if empty:
        raise ValueError(f"models without any column: {empty}; give spend, churn or both")
    needed = ["cutoff", "customer_id"]
    for model in models:
        needed += ["actual_spend", model.spend] if model.spend is not None else []
        needed += ["churned", model.churn] if model.churn is not None else []
    missing = [column for column in dict.fromkeys(needed) if column not in predictions.columns]
    if missing:
        hint = did_you_mean(missing[0], map(str, predictions.columns))
        raise ValueError(
            f"predictions lack the columns {missing}{hint}; they have {list(predictions.columns)}"
        )
    if predictions.empty:
        raise ValueError("predictions have no rows: at least one customer at one cutoff is needed")
    keys = predictions[["cutoff", "customer_id"]]
    unknown = int(keys.isna().any(axis=1).sum())
    if unknown:
        raise ValueError(
            f"cutoff or customer_id is missing in {unknown} rows of predictions; drop or fill them"
        )
    repeated = keys[keys.duplicated()]
    if len(repeated):
        cutoff, customer = repeated.iloc[0]
        raise ValueError(
            f"one row per cutoff and customer_id is needed: {len(repeated)} rows repeat one, such as "
            f"customer {customer} at {cutoff}; drop the duplicates"
        )


def folds_of(predictions: pd.DataFrame, models: tuple[ModelColumns, ...]) -> tuple[list[Fold], int]:
    codes, customers = pd.factorize(predictions["customer_id"], sort=True)
    # Sums in floating point depend on their order, so rows are put into one order of our own.
    order = np.lexsort((codes, pd.factorize(predictions["cutoff"], sort=True)[0]))
    ordered = predictions.iloc[order].assign(_customer=codes[order])
    folds = [
        Fold(cutoff, rows["_customer"].to_numpy(), _targets(rows, models))
        for cutoff, rows in ordered.groupby("cutoff", sort=True)
    ]
    return folds, len(customers)


def _targets(rows: pd.DataFrame, models: tuple[ModelColumns, ...]) -> list[Target]:
    targets = []
    for metrics, column, own in (
        (SPEND_METRICS, "actual_spend", {model.name: model.spend for model in models}),
        (CHURN_METRICS, "churned", {model.name: model.churn for model in models}),
    ):
        predicted = {}
        for name, mine in own.items():
            if mine is None:
                continue
            both = {key: rows[key].to_numpy(dtype=np.float64, na_value=np.nan) for key in (column, mine)}
            actual, values = check_arrays(**both)
            if metrics is CHURN_METRICS:
                check_churn(actual, values, mine)
            predicted[name] = (values, Ranking(values))
        if predicted:
            targets.append(Target(metrics, actual, Ranking(actual), predicted))
    return targets


def measured(fold: Fold, weights: Array) -> Values:
    values = {}
    for target in fold.targets:
        drawn = Drawn(target.actual, weights, target.ranking)
        for name, (predicted, ranking) in target.predicted.items():
            sample = Sample(drawn, predicted, ranking)
            for metric in target.metrics.values():
                values[name, metric.name] = metric.kernel(sample)
    return values


def resampled(folds: list[Fold], customers: int, samples: int, seed: int) -> Values:
    step = max(2, min(BLOCK, BLOCK_CELLS // customers))

    def block(start: int) -> Values:
        counts = np.empty((customers, min(step, samples - start)))
        for column in range(counts.shape[1]):
            # A generator per resample: the draws depend neither on the block size nor on the threads.
            draw = np.random.default_rng((seed, start + column)).integers(customers, size=customers)
            counts[:, column] = np.bincount(draw, minlength=customers)
        return stacked([measured(fold, counts[fold.customers]) for fold in folds])

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        blocks = list(threads.map(block, range(0, samples, step)))
    return {key: np.concatenate([values[key] for values in blocks], axis=1) for key in blocks[0]}


def stacked(folds: list[Values]) -> Values:
    return {key: np.stack([values[key] for values in folds]) for key in folds[0]}


def mean_of_folds(values: Array) -> Array:
    # Over the folds (rows) in which it is defined; numpy's nanmean warns where it is in none.
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    return np.divide(
        np.where(defined, values, 0.0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )


def interval(values: Array) -> tuple[float, float]:
    defined = values[np.isfinite(values)]
    if not defined.size:
        return math.nan, math.nan
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
