"""Scores followed up: their model found, what became of them, and the run that says so in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from clvml.config import AnyConfig, SubscriptionConfig, overridden
from clvml.errors import InputError
from clvml.outcomes.monitoring import Monitoring, monitor, monitor_subscribers
from clvml.scores.columns import is_of_subscribers
from clvml.scores.scorer import Scorer, customer_days, read_scores
from clvml.scores.subscribers import SubscriptionScorer, load_scorer
from clvml.storage.addresses import hide_password
from clvml.tracking.record import ResolvedModel, StoreUnreachable
from clvml.workflows.preparation import Prepared, prepare, prepare_subscriptions, silence_note


@dataclass(frozen=True)
class FollowUp:
    """What became of scores.

    Attributes
    ----------
    prepared : Prepared
        The log, continued.
    model : ResolvedModel or None
        None where the store of the model does not answer.
    registered_model : str or None
        Name under which the model was registered; None where it cannot be read.
    run_id : str or None
        The run that was logged.
    """

    found: Monitoring
    prepared: Prepared[Any]
    model: ResolvedModel | None
    registered_model: str | None
    run_id: str | None
    notes: list[str]


def follow_up(
    scores: Path,
    source: str | None,
    now: datetime,
    uri: str,
    config: AnyConfig | None = None,
    overrides: list[str] | None = None,
    model: str | None = None,
    as_of: date | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> FollowUp:
    """Compare a scored file with what happened since, and log that beside the training of its model.

    Parameters
    ----------
    scores : Path
        Scored file of some time ago.
    source : str, optional
        The purchase log or table of subscriptions, continued to a later day; what the configuration names where it is
        not given.
    now : datetime
        Order dates after it are rejected.
    uri : str
        The tracking store.
    config : Config, optional
        How the log is read; as in the training of the model without one, with ``overrides`` over it.
    model : str, optional
        The model of the scores; the one that they name where it is not given.
    as_of : date, optional
        First day not used.
    progress : callable
        Told what is being done.

    Raises
    ------
    InputError
        The scored file, the log or the reference is at fault, or nothing says how the log is to be read.
    """
    frame = read_scores(scores)
    notes: list[str] = []
    registered = config.tracking.registered_model if config else "clvml"
    found_model = _resolved(model or _model_of(frame, scores), registered, uri, notes)
    version = frame["model_version"].iloc[0]
    if found_model and model is None and isinstance(version, str):
        # A run alone does not say under which name to look for its version.
        found_model = replace(found_model, version=version)
    scorer: Scorer | SubscriptionScorer | None = None
    if found_model is not None:
        scorer = load_scorer(found_model.directory, found_model.version, found_model.run_id)
    if config is None:
        if scorer is None:
            raise InputError(
                f"{notes[0]}. Without the model, --config says how the data is to be read; or name a folder that holds "
                "the model with --model"
            )
        config = overridden(scorer.model.config, overrides, "the model's configuration with --set")
    kinds = {
        "scores": is_of_subscribers(frame.columns),
        "model": isinstance(scorer, SubscriptionScorer),
        "configuration": isinstance(config, SubscriptionConfig),
    }
    if len({subscribe for name, subscribe in kinds.items() if name != "model" or scorer is not None}) > 1:
        told = ", ".join(
            f"the {name} of {'subscriptions' if is_ else 'purchases'}" for name, is_ in kinds.items()
        )
        raise InputError(f"{told}; give a scored file, a model and a configuration of one kind")
    progress(f"reading {hide_password(source or config.data.source)}")
    promised = _promised(found_model, uri)
    prepared: Prepared[Any]
    if isinstance(config, SubscriptionConfig):
        prepared = prepare_subscriptions(config.data, now, source, as_of)
        progress("comparing")
        of_subscribers = scorer if isinstance(scorer, SubscriptionScorer) else None
        table, grace = prepared.log.frame, config.data.grace_days
        found = monitor_subscribers(frame, table, prepared.as_of, of_subscribers, promised, grace)
    else:
        prepared = prepare(config.data, now, source, as_of)
        progress("comparing")
        of_customers = scorer if isinstance(scorer, Scorer) else None
        found = monitor(frame, customer_days(prepared.log), prepared.as_of, of_customers, promised)
        notes += filter(None, [silence_note(prepared.log.last_day, prepared.as_of)])
    run_id = _logged(found, found_model, uri, notes)
    notes += [f"not judged: {text}" for text in found.unjudged]
    trained_as = scorer.model.config.tracking.registered_model if scorer else None
    return FollowUp(found, prepared, found_model, trained_as, run_id, notes)


def _model_of(scores: pd.DataFrame, path: Path) -> str:
    """Return the reference of the model that made the scores."""
    run_id, version = scores["run_id"].iloc[0], scores["model_version"].iloc[0]
    if isinstance(run_id, str) and run_id:
        return f"runs:/{run_id}"
    if isinstance(version, str) and version.isdigit():
        return version
    raise InputError(f"scored file '{path}' does not say which model made it; name it with --model")


def _resolved(reference: str, registered: str, uri: str, notes: list[str]) -> ResolvedModel | None:
    """Return the model; where the store does not answer, say so and go on without."""
    from clvml.tracking.registry import resolve_model

    try:
        return resolve_model(reference, registered, uri)
    except StoreUnreachable as error:
        notes.append(str(error))
        return None


def _promised(model: ResolvedModel | None, uri: str) -> dict[str, float]:
    """Return what the training of the model measured, nothing where that cannot be known."""
    from clvml.tracking.beside import training_metrics

    try:
        return training_metrics(model.run_id, uri) if model and model.run_id else {}
    except InputError:
        # The same is said by the logging, which is after the work.
        return {}


def _logged(found: Monitoring, model: ResolvedModel | None, uri: str, notes: list[str]) -> str | None:
    """Log what was found and return the run; where that fails, say why: the result is worth having all the same."""
    from clvml.tracking.beside import log_monitoring

    if model is None:
        return None
    if not model.run_id:
        notes.append("not logged: a folder does not say which run trained its model")
        return None
    try:
        return log_monitoring(found, model, uri)
    except InputError as error:
        notes.append(f"not logged: {error}")
        return None
