"""What the store knows of the models of an experiment, as pages show it: no object of MLflow's in it."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any, cast

from clvml.outcomes.model_state import ComparedModel, ModelState, MonitoredScores, Standing
from clvml.tracking.comparison import ComparedRun, compare
from clvml.tracking.comparison_text import standing
from clvml.tracking.past import PastRun
from clvml.tracking.record import KIND_TAG, MONITORING
from clvml.tracking.session import experiment_id, open_store
from clvml.tracking.view import view_address


def model_state(uri: str, experiment: str | None, default_model: str, limit: int = 10) -> ModelState:
    """Return how the newest models of an experiment stand, and what came of their scores.

    Parameters and errors are those of `compare`; ``limit`` holds for the checks of scores, too.
    """
    found = compare(uri, experiment, default_model, limit)
    with open_store(uri, must_exist=True) as store:
        id_ = str(experiment_id(store, found.experiment, create=False))
        checks = store.client.search_runs(
            [id_],
            f"tags.`{KIND_TAG}` = '{MONITORING}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=limit,
        )
    champion = found.champion
    monitored = sorted(
        filter(None, map(_monitored, checks)), key=lambda one: (one.until, one.as_of), reverse=True
    )
    return ModelState(
        _name(champion) if champion else "",
        tuple(_compared(one, champion) for one in found.runs),
        tuple(monitored),
        view_address(uri, id_),
    )


def _name(run: PastRun) -> str:
    return f"v{run.version}" if run.version else run.name or run.run_id


def _compared(one: ComparedRun, champion: PastRun | None) -> ComparedModel:
    said = standing(one, champion).partition(":")[0].removeprefix("the ")
    return ComparedModel(
        _name(one.run), one.run.alias, one.run.started.date(), dict(one.run.metrics), cast(Standing, said)
    )


def _monitored(run: Any) -> MonitoredScores | None:
    """Return what a run of monitoring says; None of one that somebody else made."""
    tags = run.data.tags
    with suppress(KeyError, ValueError):
        return MonitoredScores(
            date.fromisoformat(tags["as_of"]),
            date.fromisoformat(tags["until"]),
            tags.get("model_version", ""),
            tags["recommendation"],
            dict(run.data.metrics),
        )
    return None
