"""Training: the test out of time, the model, its explanation and what tracking keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import Config, DataConfig
from clvml.customers import Feature, available_features
from clvml.customers.snapshots import CustomerDays
from clvml.engines.spark import SparkSample
from clvml.errors import InputError
from clvml.evaluation.backtest import MODEL_NAME, Backtest, run_backtest
from clvml.explain import Surrogate, driver_sentences, drivers, log_odds
from clvml.log import PurchaseLog
from clvml.models.customer_model import fit_customer_model
from clvml.scores.scorer import Scorer, customer_days, spend_thresholds, tier_thresholds
from clvml.storage.addresses import hide_password
from clvml.tracking.record import TrainingRecord
from clvml.workflows.preparation import Prepared
from clvml.workflows.verdict import headline_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress = Callable[[str], None]

_EXAMPLE_CUSTOMERS = 5


def _silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Fitted:
    """A model with its explanation, and whom it was fitted for.

    Attributes
    ----------
    scorer : Scorer
    features : DataFrame
        One row per customer with a purchase day before ``as_of``, by customer_id.
    """

    scorer: Scorer
    features: pd.DataFrame


@dataclass(frozen=True)
class Explanation:
    """What moves the churn risk of some customers.

    Attributes
    ----------
    features : DataFrame
        One row per customer.
    known : tuple of Feature
        The features that the model knows.
    contributions : ndarray of shape (customers, known + 1)
        SHAP values [log-odds], the base value last.
    """

    features: pd.DataFrame
    known: tuple[Feature, ...]
    contributions: NDArray[np.float32]

    def drivers(self) -> pd.DataFrame:
        """Return one row per feature, strongest first; see `clvml.explain.drivers`."""
        return drivers(self.contributions, self.known, self.features)

    def sentences(self) -> list[str]:
        """Return the drivers in words."""
        return driver_sentences(self.contributions, self.known, self.features)


@dataclass(frozen=True)
class Trained:
    """A finished training, not yet logged.

    Attributes
    ----------
    scorer : Scorer
        The model with its explanation.
    backtest : Backtest or None
        None where the log is too short for a fold.
    record : TrainingRecord
        What tracking logs.
    driver_sentences : list of str
        What drives retention, in words.
    """

    scorer: Scorer
    backtest: Backtest | None
    record: TrainingRecord
    driver_sentences: list[str]


def train(prepared: Prepared[Any], config: Config, directory: Path, progress: Progress = _silent) -> Trained:
    """Test out of time, train on everything before ``prepared.as_of``, explain, and save: `backtest` to `record`.

    Parameters
    ----------
    prepared : Prepared
        The purchase log.
    config : Config
        The configuration.
    directory : Path
        An existing folder; the model is written there.
    progress : callable
        Told what is being done.

    Raises
    ------
    InputError
        Fewer than two customers bought anything.
    """
    # The model keeps its configuration.
    config = config.with_source(hide_password(config.data.source))
    progress("building the features")
    days = days_of(prepared.log)
    notes = [prepared.note] if prepared.note else []
    tested: Backtest | None = None
    try:
        tested = run_backtest(days, prepared.as_of, config, progress=progress)
    except InputError as error:
        notes.append(f"not tested out of time: {error}")
    fitted = fit(days, prepared.as_of, config, progress)
    explanation = explain(fitted.scorer, fitted.features)
    fitted.scorer.save(directory)
    kept = record(prepared, fitted.scorer, explanation, tested, directory, notes)
    return Trained(fitted.scorer, tested, kept, explanation.sentences())


def backtest(
    prepared: Prepared[Any], config: Config, folds: int | None = None, progress: Progress = _silent
) -> Backtest:
    """Run the rolling-origin leaderboard on a prepared log."""
    return run_backtest(days_of(prepared.log), prepared.as_of, config, folds, progress)


def fit(days: CustomerDays, as_of: date, config: Config, progress: Progress = _silent) -> Fitted:
    """Train on everything before ``as_of``, and fit the explanation and the value tiers.

    The explanation is fitted on customers at the newest training cutoff and now, the tiers on those of now.

    Raises
    ------
    InputError
        Fewer than two customers bought anything.
    """
    progress(f"training as of {as_of}")
    model = fit_customer_model(days, as_of, config)
    progress("explaining")
    horizon = model.horizon_days
    now, past = (_buyers(days.features(cutoff, horizon)) for cutoff in (as_of, model.newest_cutoff))
    predicted = model.predict(now, as_of)
    names = [feature.name for feature in available_features(model.columns)]
    surrogate = Surrogate().fit(
        pd.concat([now[names], past[names]], ignore_index=True),
        log_odds(np.concatenate([predicted["p_churn"], model.predict(past, model.newest_cutoff)["p_churn"]])),
        seed=config.seed,
    )
    tiers = tier_thresholds(predicted["clv"].to_numpy())
    model = model.with_tiers(tiers, spend_thresholds(now["spend_sum_365d"].to_numpy()))
    return Fitted(Scorer(model, surrogate), now)


def explain(scorer: Scorer, features: pd.DataFrame) -> Explanation:
    """Return what moves the churn risk of the customers of a feature table who bought something."""
    features = _buyers(features)
    known = tuple(available_features(scorer.model.columns))
    return Explanation(features, known, scorer.surrogate.contributions(features))


def record(
    prepared: Prepared[Any],
    scorer: Scorer,
    explanation: Explanation,
    tested: Backtest | None,
    directory: Path,
    notes: Sequence[str] = (),
) -> TrainingRecord:
    """Return what tracking keeps of a training whose model is saved in ``directory``."""
    config = scorer.model.config
    log, fidelity = prepared.log, scorer.surrogate.fidelity_
    return TrainingRecord(
        config=config,
        as_of=prepared.as_of,
        horizon_days=scorer.model.horizon_days,
        fingerprint=log.fingerprint,
        quality=log.quality.to_dict(),
        quality_text=log.quality.to_text(),
        metrics=headline_metrics(tested) if tested else {},
        fold_metrics=tested.leaderboard.folds
        if tested
        else pd.DataFrame(columns=["model", "cutoff", "metric", "value"]),
        leaderboard=tested.leaderboard.table() if tested else pd.DataFrame(),
        verdicts=tested.leaderboard.verdicts() if tested else [],
        figures=_figures(explanation, tested, config),
        drivers=explanation.drivers(),
        model_directory=directory,
        signature_example=_example(log, config.data),
        notes=[
            *notes,
            *scorer.model.notes,
            f"reasons come from trees that mimic the churn model; they explain {fidelity:.1%} of it",
        ],
        model_name=MODEL_NAME,
        predictions=_tested_predictions(tested) if tested else pd.DataFrame(),
    )


def days_of(log: PurchaseLog | SparkSample) -> CustomerDays:
    """Return the purchase days of a log, here or on Spark."""
    return log.days() if isinstance(log, SparkSample) else customer_days(log)


def _buyers(features: pd.DataFrame) -> pd.DataFrame:
    return features[features["purchase_days"] > 0].reset_index(drop=True)


def _tested_predictions(tested: Backtest) -> pd.DataFrame:
    """Return what our model predicted out of time, and what happened: what later runs are compared with."""
    ours = next(model for model in tested.models if model.name == MODEL_NAME)
    columns = {
        "cutoff": "cutoff",
        "customer_id": "customer_id",
        "actual_spend": "actual_spend",
        "churned": "churned",
        ours.spend: "spend",
        ours.churn: "p_churn",
    }
    return tested.predictions[list(columns)].rename(columns=columns)


def _figures(explanation: Explanation, tested: Backtest | None, config: Config) -> dict[str, Figure | bytes]:
    # Imported here: matplotlib and shap take a second, and scoring needs neither.
    from clvml.evaluation.plots import (
        plot_churn_calibration,
        plot_gains,
        plot_leaderboard,
        plot_spend_deciles,
    )
    from clvml.explain.plots import plot_drivers_bar, plot_drivers_beeswarm

    explained = explanation.contributions, explanation.known, explanation.features
    figures: dict[str, Figure | bytes] = {
        "shap_bar": plot_drivers_bar(*explained),
        "shap_beeswarm": plot_drivers_beeswarm(*explained, seed=config.seed),
    }
    if tested is None:
        return figures
    newest = tested.predictions[tested.predictions["cutoff"] == tested.predictions["cutoff"].max()]
    ours = tested.models[0]
    spends = {m.name: newest[m.spend].to_numpy() for m in tested.models if m.spend and m.name != "zero"}
    actual = newest["actual_spend"].to_numpy()
    return {
        "calibration": plot_churn_calibration(newest["churned"], newest[ours.churn]),
        "deciles": plot_spend_deciles(actual, newest[ours.spend], config.data.currency or ""),
        "gains": plot_gains(actual, spends, ours.name),
        "leaderboard_wape": plot_leaderboard(tested.leaderboard, "wape"),
        "leaderboard_auc": plot_leaderboard(tested.leaderboard, "roc_auc"),
        **figures,
    }


def _example(log: PurchaseLog | SparkSample, data: DataConfig) -> pd.DataFrame:
    """Return the lines of a few customers under the names of the input, as an example for MLflow."""
    theirs = data.columns.mapped()
    held = {("order_ts" if name == "order_date" else name): theirs[name] for name in theirs}
    chosen = ", ".join(f'{ours} as "{name}"' for ours, name in held.items() if ours in log.columns)
    if data.columns.currency:
        chosen += f", '{data.currency or log.quality.currency}' as \"{data.columns.currency}\""
    return log.frame(
        f"select {chosen} from {log.table} where customer_id in (select distinct customer_id from {log.table}"
        f" order by customer_id limit {_EXAMPLE_CUSTOMERS}) order by customer_id, order_ts, amount limit 50"
    )
