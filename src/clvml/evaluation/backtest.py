"""Rolling-origin backtest: train as of a past date, predict what is known by now, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pandas as pd

from clvml.config import AnyConfig, Config
from clvml.customers.snapshots import CustomerDays
from clvml.customers.windows import SHORTEST_HORIZON_DAYS, test_cutoffs, trainable
from clvml.errors import InputError
from clvml.evaluation.baselines import BASELINES
from clvml.evaluation.folds import Forecasts, ModelColumns, put_forecasts
from clvml.evaluation.leaderboard import Leaderboard, build_leaderboard
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.models.prior import fit_prior

MODEL_NAME = "clvml"
BTYD_NAME = "BTYD (MBG/NBD, Gamma-Gamma)"
# What tables beside the purchases bring: our model is tested without each of them.
GIVEN_GROUPS = ("attributes", "events")


@dataclass(frozen=True, repr=False)
class Backtest:
    """Out-of-time predictions of our model and of the rules it has to beat.

    Attributes
    ----------
    predictions : DataFrame
        One row per (``cutoff``, ``customer_id``): labels, the prediction of every model, and the interval of
        ours (``low``, ``high``); next orders as `clvml.evaluation.next_order` wants them.
    models : tuple of ModelColumns
        Which column is whose.
    leaderboard : Leaderboard
        Metrics per fold, pooled, and compared.
    without : dict of str to Leaderboard
        By group of features from another table (`GIVEN_GROUPS`) that our model reads: it beside the same without that
        group, which is the champion.
    """

    predictions: pd.DataFrame
    models: tuple[ModelColumns, ...]
    leaderboard: Leaderboard
    without: Mapping[str, Leaderboard] = field(default_factory=dict)

    @property
    def subscribers(self) -> bool:
        """Whether it is a test of subscriptions, which have no next order."""
        return "next_order_days" not in self.predictions

    def __repr__(self) -> str:
        return f"{self._head()}\n{self.leaderboard!r}"

    def _repr_html_(self) -> str:
        return f"<p>{self._head()}</p>{self.leaderboard._repr_html_()}"

    def _head(self) -> str:
        dates = ", ".join(sorted(self.predictions["cutoff"].astype(str).str[:10].unique()))
        return f"{len(self.predictions):,} predictions out of time, as of {dates}"


def run_backtest(
    days: CustomerDays,
    as_of: date,
    config: Config,
    folds: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Backtest:
    """Train and test at several past cutoffs, each with nothing from its own future; see `predict_folds`."""
    return judge(*predict_folds(days, as_of, config, folds, progress), config, progress)


def predict_folds(
    days: CustomerDays,
    as_of: date,
    config: Config,
    folds: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
    """Train at several past cutoffs, and return what all models say of the windows after them.

    Parameters
    ----------
    days : CustomerDays
        The purchase days.
    as_of : date
        The end of what is known; the newest test window ends there.
    config : Config
        The model, the windows, and the number of folds.
    folds : int, optional
        Instead of ``config.evaluation.folds``.

    Returns
    -------
    predictions : DataFrame
    models : tuple of ModelColumns
        As in `Backtest`.

    Raises
    ------
    InputError
        The log is too short for a single fold.
    """
    windows = config.windows
    cutoffs = test_cutoffs(days.first_day, as_of, windows, folds or config.evaluation.folds)
    too_short = (
        f"{(as_of - days.first_day).days} days of history before {as_of} are too short to test a horizon of"
        f" {windows.horizon_days} days out of time: {windows.horizon_days + 2 * SHORTEST_HORIZON_DAYS} are"
        " needed; set a shorter windows.horizon_days or give more data"
    )

    def predict(cutoff: date) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
        model = fit_customer_model(days, cutoff, config)
        part, models = predict_fold(days, cutoff, config, model)
        groups = {feature.name: feature.group for feature in model.features}
        read = [groups.get(name) for name in model.trees.predictors]
        for group in GIVEN_GROUPS:
            if 0 < read.count(group) < len(read):
                progress(f"testing as of {cutoff}, without {group}")
                part = pd.concat([part, _predicted_without(group, days, cutoff, config)], axis="columns")
        return part, models

    return predict_at(cutoffs, predict, too_short, progress)


def predict_at(
    cutoffs: Sequence[date],
    predict: Callable[[date], tuple[pd.DataFrame, tuple[ModelColumns, ...]]],
    too_short: str,
    progress: Callable[[str], None],
) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
    """Return what ``predict`` says of each cutoff, one below the other.

    A cutoff with too little to learn from is left out.

    Raises
    ------
    InputError
        There is no cutoff (``too_short``), or each has too little to learn from.
    """
    parts: list[pd.DataFrame] = []
    models: tuple[ModelColumns, ...] = ()
    failure = InputError(too_short)
    for cutoff in cutoffs:
        progress(f"testing as of {cutoff}")
        try:
            part, models = predict(cutoff)
        except InputError as error:
            # An early fold may have too little to learn from; the others are still worth having.
            progress(f"skipped: {error}")
            failure = error
            continue
        parts.append(part)
    if not parts:
        raise failure
    return pd.concat(parts, ignore_index=True), models


def judge(
    predictions: pd.DataFrame,
    models: tuple[ModelColumns, ...],
    config: AnyConfig,
    progress: Callable[[str], None] = lambda text: None,
) -> Backtest:
    """Compare our model with the others on what `predict_folds` returned."""
    progress("comparing with the baselines")
    leaderboard = build_leaderboard(
        predictions, models, MODEL_NAME, config.evaluation.bootstrap_samples, config.seed
    )
    without = {}
    for group in GIVEN_GROUPS:
        other = _without(group)
        if other.spend in predictions:
            # A fold with too little to learn from has no trees and reads no such group.
            both = predictions[predictions[other.spend].notna()]
            without[group] = build_leaderboard(
                both, (models[0], other), other.name, config.evaluation.bootstrap_samples, config.seed
            )
    return Backtest(predictions, models, leaderboard, without)


def predict_fold(
    days: CustomerDays, cutoff: date, config: Config, model: CustomerModel, baselines: bool = True
) -> tuple[pd.DataFrame, tuple[ModelColumns, ...]]:
    """Return what a model and, unless left out, the baselines say of one test window.

    One row per customer, with labels and interval, and which column is whose; see `Backtest`.
    """
    horizon = config.windows.horizon_days
    test = days.counting(model.trees.events).snapshots([cutoff], horizon)
    ours = model.predict(test, cutoff)
    part = test[["cutoff", "customer_id", "actual_spend", "purchases", "churned", "purchase_days"]].copy()
    part["low"], part["high"] = ours["expected_spend_low"], ours["expected_spend_high"]
    part["next_order_days"] = ours["next_order_days"]
    part["actual_next_days"] = part["customer_id"].map(days.days_to_next(cutoff)).astype(float)
    part["usual_days"] = (test["gap_mean"] - test["days_since_last_order"] + 1.0).clip(lower=1.0)
    forecasts: Forecasts = {MODEL_NAME: (ours["expected_spend"].to_numpy(), ours["p_churn"].to_numpy())}
    if baselines:
        forecasts |= _baselines(days, cutoff, config, test)
    return part, put_forecasts(part, forecasts)


def _without(group: str) -> ModelColumns:
    return ModelColumns(f"clvml without {group}", f"spend_without_{group}", f"churn_without_{group}")


def _predicted_without(group: str, days: CustomerDays, cutoff: date, config: Config) -> pd.DataFrame:
    """Return what our model says of one test window without a group of features, row by row as `predict_fold`."""
    model = config.model.model_copy(update={"leave_out": [*config.model.leave_out, group]})
    fitted = fit_customer_model(days, cutoff, config.model_copy(update={"model": model}))
    test = days.counting(fitted.trees.events).snapshots([cutoff], config.windows.horizon_days)
    predicted = fitted.predict(test, cutoff)
    columns = _without(group)
    return pd.DataFrame({columns.spend: predicted["expected_spend"], columns.churn: predicted["p_churn"]})


def _baselines(days: CustomerDays, cutoff: date, config: Config, test: pd.DataFrame) -> Forecasts:
    horizon = config.windows.horizon_days
    windows = trainable(days.first_day, cutoff, config.windows)
    trained = windows.horizon_days if windows else horizon
    train = days.snapshots([cutoff - timedelta(days=trained)], trained)
    if train.empty:
        raise InputError(f"nobody bought anything before the newest training cutoff of {cutoff}")
    # The published model knows neither season nor rhythm.
    btyd = fit_prior(days, cutoff, horizon, season=False, rhythm=False).forecast(test, cutoff, horizon)
    forecasts: Forecasts = {BTYD_NAME: (btyd["btyd_spend"].to_numpy(), btyd["btyd_p_churn"].to_numpy())}
    log_days = (cutoff - days.first_day).days
    for name, rule in BASELINES.items():
        spend, churn = rule(train, test, trained, log_days)
        # Rules carry a shorter window on in proportion, where the log holds no longer one.
        forecasts[name] = (
            None if spend is None else spend * (horizon / trained),
            None if churn is None else churn ** (horizon / trained),
        )
    return forecasts
