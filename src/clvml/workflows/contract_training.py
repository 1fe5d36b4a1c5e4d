"""Training of a model of subscriptions: what differs from purchases; test, record and log are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from clvml.config import SubscriptionConfig
from clvml.customers.cohorts import retention
from clvml.customers.subscription_snapshots import explained_features
from clvml.errors import secondary
from clvml.evaluation.backtest import Backtest, judge
from clvml.evaluation.evidence import build_evidence
from clvml.evaluation.subscription_rules import predict_subscription_folds
from clvml.explain import Explanation, Reference
from clvml.explain.of_subscribers import contributions, fit_reference
from clvml.models.contract import fit_contract_model
from clvml.scores.columns import whom
from clvml.scores.subscribers import SubscriptionScorer
from clvml.scores.tiers import tier_thresholds
from clvml.workflows.preparation import Prepared
from clvml.workflows.report import page_of
from clvml.workflows.scoring import score_subscriptions
from clvml.workflows.training import REASONS_SHOWN, Trained, record, tested_or_told

Progress = Callable[[str], None]


def train_contract(
    prepared: Prepared[Any], config: SubscriptionConfig, directory: Path, progress: Progress
) -> Trained:
    """Test out of time, train on everything before ``prepared.as_of``, explain, and save into an existing folder.

    Raises
    ------
    InputError
        There is too little to learn from.
    """
    frame, as_of = prepared.log.frame, prepared.as_of
    notes = [prepared.note] if prepared.note else []
    tested = tested_or_told(
        lambda: predict_subscription_folds(frame, as_of, config, progress=progress), config, notes, progress
    )
    progress(f"training as of {as_of}")
    model = fit_contract_model(frame, as_of, config)
    features = model.features(frame, as_of)
    predicted = model.predict(features)
    model = replace(model, tiers=tier_thresholds(predicted["clv"].to_numpy()))
    progress("explaining")
    known = tuple(explained_features(config.data.early_columns))
    reference = Reference()
    with secondary("the explanation; no customer has a reason for the churn risk", notes):
        reference = fit_reference(model, features)
    scorer = SubscriptionScorer(model, reference)
    explanation: Explanation | None = None
    sentences: list[str] = []
    with secondary("what drives retention", notes):
        explanation = Explanation(features, known, contributions(model, reference, features))
        sentences = [whom(True, sentence) for sentence in explanation.sentences()]
    with secondary("the evidence that reports show", notes):
        if tested is not None:
            shares = explanation.shares() if explanation else []
            scorer = replace(scorer, evidence=build_evidence(tested, shares, config.value.margin))
    scorer.save(directory)
    page = ""
    with secondary("the report", notes):
        page = page_of(score_subscriptions(prepared, scorer, REASONS_SHOWN))
    kept = record(prepared, scorer, explanation, tested, directory, notes)
    return Trained(scorer, tested, replace(kept, page=page, retention=retention(frame, as_of)), sentences)


def backtest_contract(
    prepared: Prepared[Any],
    config: SubscriptionConfig,
    folds: int | None = None,
    progress: Progress = lambda text: None,
) -> Backtest:
    """Run the rolling-origin leaderboard on a table of subscriptions."""
    predicted = predict_subscription_folds(prepared.log.frame, prepared.as_of, config, folds, progress)
    return judge(*predicted, config, progress)
