"""Training: the test out of time, the model, its explanation and what tracking keeps of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from clvml.config import Config, DataConfig
from clvml.customers import available_features
from clvml.customers.snapshots import CustomerDays
from clvml.engines.spark import SparkSample
from clvml.errors import InputError
from clvml.evaluation.backtest import MODEL_NAME, Backtest, run_backtest
from clvml.explain import Surrogate, driver_sentences, drivers, log_odds
from clvml.log import PurchaseLog
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.scores.scorer import Scorer, customer_days, spend_thresholds, tier_thresholds
from clvml.storage.addresses import hide_password
from clvml.tracking.record import TrainingRecord
from clvml.workflows.preparation import Prepared
from clvml.workflows.verdict import headline_metrics

Progress = Callable[[str], None]

_EXAMPLE_CUSTOMERS = 5


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


def backtest(
    prepared: Prepared, config: Config, folds: int | None = None, progress: Progress = lambda text: None
) -> Backtest:
    """Run the rolling-origin leaderboard on a prepared log."""
    return run_backtest(_days(prepared.log), prepared.as_of, config, folds, progress)


def train(
    prepared: Prepared, config: Config, directory: Path, progress: Progress = lambda text: None
) -> Trained:
    """Train on everything before ``prepared.as_of``, test out of time, explain, and save.

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
    log, as_of = prepared.log, prepared.as_of
    # The model keeps its configuration.
    config = config.with_source(hide_password(config.data.source))
    progress("building the features")
    days = _days(log)
    notes = [prepared.note] if prepared.note else []
    tested: Backtest | None = None
    try:
        tested = run_backtest(days, as_of, config, progress=progress)
    except InputError as error:
        notes.append(f"not tested out of time: {error}")
    progress(f"training as of {as_of}")
    model = fit_customer_model(days, as_of, config)
    progress("explaining")
    model, surrogate, features = _explain(model, days, as_of)
    scorer = Scorer(model, surrogate)
    scorer.save(directory)
    known = available_features(model.columns)
    contributions = surrogate.contributions(features)
    notes += model.notes
    notes.append(
        f"reasons come from trees that mimic the churn model; they explain {surrogate.fidelity_:.1%} of it"
    )
    sentences = driver_sentences(contributions, known, features)
    record = TrainingRecord(
        config=config,
        as_of=as_of,
        horizon_days=model.horizon_days,
        fingerprint=log.fingerprint,
        quality=log.quality.to_dict(),
        quality_text=log.quality.to_text(),
        metrics=headline_metrics(tested) if tested else {},
        fold_metrics=tested.leaderboard.folds
        if tested
        else pd.DataFrame(columns=["model", "cutoff", "metric", "value"]),
        leaderboard=tested.leaderboard.table() if tested else pd.DataFrame(),
        verdicts=tested.leaderboard.verdicts() if tested else [],
        figures=_figures(tested, contributions, known, features, config),
        drivers=drivers(contributions, known, features),
        model_directory=directory,
        signature_example=_example(log, config.data),
        notes=notes,
        model_name=MODEL_NAME,
        predictions=_tested_predictions(tested) if tested else pd.DataFrame(),
    )
    return Trained(scorer, tested, record, sentences)


def _days(log: PurchaseLog | SparkSample) -> CustomerDays:
    return log.days() if isinstance(log, SparkSample) else customer_days(log)


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


def _explain(
    model: CustomerModel, days: CustomerDays, as_of: date
) -> tuple[CustomerModel, Surrogate, pd.DataFrame]:
    """Fit the explanation on customers at the newest training cutoff and now; set the tiers from now."""
    windows = model.config.windows
    now = days.features(as_of, windows.horizon_days)
    now = now[now["purchase_days"] > 0].reset_index(drop=True)
    cutoff = model.newest_cutoff
    past = days.features(cutoff, windows.horizon_days)
    past = past[past["purchase_days"] > 0]
    predicted = model.predict(now, as_of)
    names = [feature.name for feature in available_features(model.columns)]
    surrogate = Surrogate().fit(
        pd.concat([now[names], past[names]], ignore_index=True),
        log_odds(np.concatenate([predicted["p_churn"], model.predict(past, cutoff)["p_churn"]])),
        seed=model.config.seed,
    )
    tiers = tier_thresholds(predicted["clv"].to_numpy())
    return model.with_tiers(tiers, spend_thresholds(now["spend_sum_365d"].to_numpy())), surrogate, now


def _figures(tested, contributions, known, features, config):
    # Imported here: matplotlib and shap take a second, and scoring needs neither.
    from clvml.evaluation import plot_churn_calibration, plot_gains, plot_leaderboard, plot_spend_deciles
    from clvml.explain.plots import plot_drivers_bar, plot_drivers_beeswarm

    figures = {
        "shap_bar": plot_drivers_bar(contributions, known, features),
        "shap_beeswarm": plot_drivers_beeswarm(contributions, known, features, seed=config.seed),
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
