"""An experiment from its definition to the page beside its file: what ``clvml experiment`` runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from clvml.evaluation.versus import Gain
from clvml.experiments.choice import answer, run_metrics
from clvml.experiments.definition import Definition
from clvml.experiments.results_page import write_report
from clvml.experiments.runner import Outcome, run_experiment
from clvml.storage.addresses import hide_password
from clvml.storage.outputs import check_output
from clvml.tracking.variant_runs import search_storage


def conduct(
    definition: Definition,
    uri: str,
    now: datetime,
    fresh: bool = False,
    workers: int | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Run what is not finished yet, compare, log, and write the page; see `runner.run_experiment`.

    Raises
    ------
    InputError
        The page could not be written, the data or the store cannot be used, or every variant failed.
    """
    check_output(definition.path.with_suffix(".md"), (".md",), definition.base.data.source, "result")
    return run_experiment(definition, uri, now, search_storage(uri), write_report, fresh, workers, progress)


def outcome_dict(outcome: Outcome, uri: str) -> dict[str, Any]:
    """Return what ``clvml experiment --json`` prints."""
    comparison = outcome.comparison
    gains = comparison.gains(comparison.earlier)
    last = comparison.gains(comparison.last)
    return {
        "question": outcome.definition.question,
        "answer": answer(comparison),
        "metric": comparison.metric,
        "base": comparison.base,
        "best": comparison.best,
        "variants": [
            {
                "name": (name := result.variant.name),
                "changes": result.variant.changes,
                "status": "failed" if result.error else "finished",
                "error": result.error or None,
                "run_id": result.run_id,
                "gain": _gain(gains.get(name)),
                "gain_last_fold": _gain(last.get(name)),
                "metrics": {} if result.predictions is None else run_metrics(result.predictions),
            }
            for result in outcome.results
        ],
        "run_now": outcome.run_now,
        "test_dates": [day.isoformat() for day in comparison.dates],
        "data_fingerprint": outcome.fingerprint,
        "experiment": outcome.experiment,
        "run_id": outcome.run_id,
        "tracking_uri": hide_password(uri),
        "mlflow_page": outcome.mlflow_page,
        "page": str(outcome.page),
    }


def _gain(gain: Gain | None) -> dict[str, Any] | None:
    if gain is None:
        return None
    return {"value": gain.gain, "low": gain.low, "high": gain.high, "verdict": gain.verdict}
