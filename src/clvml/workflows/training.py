"""Training: the test out of time, the model, its explanation and what tracking keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from clvml.config import AnyConfig, Config, DataConfig, SubscriptionConfig, SubscriptionData
from clvml.customers.snapshots import CustomerDays
from clvml.customers.subscription_snapshots import known_at
from clvml.engines.spark import SparkSample
from clvml.errors import InputError, secondary
from clvml.evaluation.backtest import MODEL_NAME, Backtest, judge, predict_folds, run_backtest
from clvml.evaluation.evidence import build_evidence
from clvml.evaluation.folds import ModelColumns
from clvml.explain import Explanation, Reference
from clvml.explain.of_customers import contributions, fit_reference
from clvml.log import PurchaseLog
from clvml.log.events_beside import columns_beside
from clvml.log.subscriptions import SubscriptionLog
from clvml.models.customer_model import fit_customer_model
from clvml.scores.customer_margin import own_clv
from clvml.scores.scorer import Scorer, customer_days
from clvml.scores.segments import check_segments
from clvml.scores.subscribers import SubscriptionScorer
from clvml.scores.tiers import spend_thresholds, tier_thresholds
from clvml.storage.sql import identifier, literal
from clvml.tracking.record import TrainingRecord
from clvml.workflows.pictures import draw_pictures
from clvml.workflows.preparation import Prepared
from clvml.workflows.report import page_of
from clvml.workflows.scoring import score_days
from clvml.workflows.verdict import given_notes, headline_metrics, next_order_note, thin_history, window_notes

Progress = Callable[[str], None]

_EXAMPLE_CUSTOMERS = 5
# Customers of the report who get reasons: more than it lists, since it ranks by value if kept.
REASONS_SHOWN = 1_000


@dataclass(frozen=True)
class Fitted:
    """A model with its explanation, and whom it was fitted for.

    Attributes
    ----------
    features : DataFrame
        One row per customer with a purchase day before ``as_of``, by customer_id.
    """

    scorer: Scorer
    features: pd.DataFrame


@dataclass(frozen=True)
class Trained:
    """A finished training, not yet logged.

    Attributes
    ----------
    scorer : Scorer or SubscriptionScorer
        The model with its explanation.
    backtest : Backtest or None
        None where the log is too short for a fold.
    record : TrainingRecord
        What tracking logs.
    driver_sentences : list of str
        What drives retention, in words.
    """

    scorer: Scorer | SubscriptionScorer
    backtest: Backtest | None
    record: TrainingRecord
    driver_sentences: list[str]


def train(
    prepared: Prepared[Any], config: Config, directory: Path, progress: Progress = lambda text: None
) -> Trained:
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
        Nobody bought anything, or margins cannot be told from ``value.cost`` or ``value.margins``.

    Notes
    -----
    What no score depends on (the comparison, the explanation, drivers, pictures) is made within
    `clvml.errors.secondary`: where it fails, the training goes on with a note.
    """
    check_segments(config.segments, prepared.log.attributes)
    # The model keeps its configuration.
    config = config.without_passwords()
    margins = prepared.margins(config.value, prepared.as_of)
    progress("building the features")
    days = days_of(prepared.log)
    notes = [prepared.note] if prepared.note else []
    tested = tested_or_told(
        lambda: predict_folds(days, prepared.as_of, config, progress=progress), config, notes, progress
    )
    fitted = fit(days, prepared.as_of, config, progress, margins)
    explanation: Explanation | None = None
    sentences: list[str] = []
    scorer = fitted.scorer
    with secondary("what drives retention", notes):
        explanation = explain(scorer, fitted.features, prepared.as_of)
        sentences = explanation.sentences()
    with secondary("the evidence that reports show", notes):
        if tested is not None:
            shares = explanation.shares() if explanation else []
            scorer = replace(scorer, evidence=build_evidence(tested, shares, config.value.margin))
    scorer.save(directory)
    page = ""
    # Of a sample of customers the totals would mislead.
    if not isinstance(prepared.log, SparkSample):
        with secondary("the report", notes):
            page = page_of(score_days(days, prepared, scorer, REASONS_SHOWN, margins=margins))
    kept = replace(record(prepared, scorer, explanation, tested, directory, notes), page=page)
    return Trained(scorer, tested, kept, sentences)


def tested_or_told(
    predict: Callable[[], tuple[pd.DataFrame, tuple[ModelColumns, ...]]],
    config: AnyConfig,
    notes: list[str],
    progress: Progress,
) -> Backtest | None:
    """Return the test of what ``predict`` says of past dates; where there can be none, a note says why."""
    try:
        folds = predict()
        with secondary("the comparison with the baselines", notes):
            return judge(*folds, config, progress)
    except InputError as error:
        notes.append(f"not tested out of time: {error}")
    return None


def backtest(
    prepared: Prepared[Any], config: Config, folds: int | None = None, progress: Progress = lambda text: None
) -> Backtest:
    """Run the rolling-origin leaderboard on a prepared log."""
    return run_backtest(days_of(prepared.log), prepared.as_of, config, folds, progress)


def fit(
    days: CustomerDays,
    as_of: date,
    config: Config,
    progress: Progress = lambda text: None,
    margins: pd.Series | None = None,
) -> Fitted:
    """Train on everything before ``as_of``, and fit the explanation and the value tiers.

    The explanation is fitted on customers at the newest training cutoff and now, the tiers on those of now, at their
    own ``margins`` by customer id (`Prepared.margins`) where there are any.

    Raises
    ------
    InputError
        Nobody bought anything.
    """
    check_segments(config.segments, days.attributes)
    progress(f"training as of {as_of}")
    model = fit_customer_model(days, as_of, config)
    progress("explaining")
    days = days.counting(model.trees.events)
    now = _buyers(days.features(as_of, model.horizon_days))
    predicted = model.predict(now, as_of)
    clv = predicted["clv"].to_numpy()
    if margins is not None:
        clv = own_clv(clv, margins.reindex(now["customer_id"].astype(str)), config.value)
    tiers = tier_thresholds(clv)
    model = model.with_tiers(tiers, spend_thresholds(now["spend_sum_365d"].to_numpy()))
    notes = thin_history(now)
    reference = Reference()
    with secondary("the explanation; no customer has a reason", notes):
        reference = fit_reference(model, now, as_of, config.seed)
    return Fitted(Scorer(replace(model, notes=(*notes, *model.notes)), reference), now)


def explain(scorer: Scorer, features: pd.DataFrame, as_of: date) -> Explanation:
    """Return what moves the churn risk of the customers of a feature table of ``as_of`` who bought something."""
    model, features = scorer.model, _buyers(features)
    (churn,) = contributions(model, scorer.reference, features, as_of, value=False)
    return Explanation(model.read(features), model.features, churn)


def record(
    prepared: Prepared[Any],
    scorer: Scorer | SubscriptionScorer,
    explanation: Explanation | None,
    tested: Backtest | None,
    directory: Path,
    notes: Sequence[str] = (),
) -> TrainingRecord:
    """Return what tracking keeps of a training whose model is saved in ``directory``."""
    config, log = scorer.model.config, prepared.log
    notes = [*notes, *scorer.model.notes]
    metrics: dict[str, float] = {}
    leaderboard, verdicts, influences = pd.DataFrame(), [], pd.DataFrame()
    if tested is not None:
        with secondary("the metrics", notes):
            notes += [*window_notes(tested, config.windows.horizon_days), *next_order_note(tested)]
            notes += given_notes(tested)
            metrics = headline_metrics(tested)
            leaderboard, verdicts = tested.leaderboard.table(), tested.leaderboard.verdicts()
    if explanation is not None:
        with secondary("the table of drivers", notes):
            influences = explanation.drivers()
    return TrainingRecord(
        config=config,
        as_of=prepared.as_of,
        horizon_days=scorer.model.horizon_days,
        fingerprint=log.fingerprint,
        quality=log.quality.to_dict(),
        quality_text=log.quality.to_text(),
        metrics=metrics,
        fold_metrics=tested.leaderboard.folds
        if tested
        else pd.DataFrame(columns=["model", "cutoff", "metric", "value"]),
        leaderboard=leaderboard,
        verdicts=verdicts,
        figures=draw_pictures(tested, explanation, config, notes),
        drivers=influences,
        model_directory=directory,
        signature_example=(
            _subscription_example(log, config.data, prepared.as_of)
            if isinstance(config, SubscriptionConfig)
            else _example(log, config.data, isinstance(scorer, Scorer) and bool(scorer.model.trees.events))
        ),
        notes=notes,
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


def _example(log: PurchaseLog | SparkSample, data: DataConfig, counts_events: bool) -> pd.DataFrame:
    """Return lines of a few customers under the names of the input, as an example for MLflow.

    What is known of the customers stands in every line, and their events in rows of their own.
    """
    lines = _example_lines(log, data)
    if log.attributes is None and not counts_events:
        return lines
    customer = data.columns.customer_id
    asked = f"customer_id in ({', '.join(literal(str(one)) for one in lines[customer].unique())})"
    if log.attributes is not None:
        known = log.frame(f"select * from ({log.attributes.latest()}) as latest where {asked}")
        lines = lines.merge(known.rename(columns={"customer_id": customer}), how="left", on=customer)
    if log.events is None or not counts_events:
        return lines
    label = {one.key: one.label for one in log.events.types}
    counted = log.frame(
        f"select * from {log.events.table} where {asked} order by customer_id, day, type limit 20"
    )
    told = [counted["customer_id"], counted["day"].astype(str), counted["type"].map(label)]
    events = pd.DataFrame(dict(zip(columns_beside(data).values(), told, strict=False)))
    # A missing value is a gap, and an example must have none.
    for name in lines.columns.difference(events.columns):
        events[name] = 0.0 if pd.api.types.is_numeric_dtype(lines[name]) else ""
    for name in events.columns.difference(lines.columns):
        lines[name] = ""
    return pd.concat([lines, events], ignore_index=True)


def _example_lines(log: PurchaseLog | SparkSample, data: DataConfig) -> pd.DataFrame:
    if isinstance(log, PurchaseLog) and log.example is not None:
        return log.example
    theirs = data.columns.mapped()
    held = {("order_ts" if name == "order_date" else name): theirs[name] for name in theirs}
    chosen = ", ".join(f"{ours} as {identifier(name)}" for ours, name in held.items() if ours in log.columns)
    if data.columns.currency:
        currency = literal(data.currency or log.quality.currency or "")
        chosen += f", {currency} as {identifier(data.columns.currency)}"
    return log.frame(
        f"select {chosen} from {log.table} where customer_id in (select distinct customer_id from {log.table}"
        f" order by customer_id limit {_EXAMPLE_CUSTOMERS}) order by customer_id, order_ts, amount limit 50"
    )


def _subscription_example(log: SubscriptionLog, data: SubscriptionData, as_of: date) -> pd.DataFrame:
    """Return the subscriptions, or payments, of a few customers as they come by CSV, under the names of the input."""
    if log.example is not None:
        return log.example
    known = known_at(log.frame, as_of)
    running = known.loc[known["end"].isna(), "customer_id"].drop_duplicates().head(_EXAMPLE_CUSTOMERS)
    rows = known[known["customer_id"].isin(running)]
    ours = {
        "customer_id": rows["customer_id"],
        "start": rows["start"].dt.strftime("%Y-%m-%d"),
        "end": rows["end"].dt.strftime("%Y-%m-%d").fillna(""),
        "plan": rows["plan"],
        "price": rows["price"],
        "period": rows["period_days"].map(str),
    }
    early = {theirs: rows[name].fillna(0.0) for name, theirs in data.early_columns.items()}
    return pd.DataFrame({theirs: ours[name] for name, theirs in data.mapped().items()} | early)
