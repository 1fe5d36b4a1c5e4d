"""The runs of an experiment side by side, each against the champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clvml.errors import InputError, did_you_mean
from clvml.evaluation.leaderboard import METRICS
from clvml.storage.files import replacing
from clvml.storage.outputs import check_output

if TYPE_CHECKING:
    from clvml.tracking.comparison import Comparison


def compare(
    experiment: str | None,
    registered_model: str,
    uri: str,
    by: str = "wape",
    limit: int = 20,
    output: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Hold the newest runs of an experiment against the champion (`clvml.tracking.comparison.compare`).

    Where ``output`` is given, an ``.html`` file, the comparison is also written there as a page.

    Raises
    ------
    InputError
        There is no such metric or experiment, it has no runs, or the page or the store cannot be used.
    """
    if by not in METRICS:
        raise InputError(
            f"--by '{by}' is not a metric{did_you_mean(by, METRICS)}; give one of {', '.join(METRICS)}"
        )
    if output is not None:
        check_output(output, (".html",))
    from clvml.tracking import comparison

    progress("comparing the runs")
    found = comparison.compare(uri, experiment, registered_model, limit, by)
    if output is not None:
        from clvml.tracking.comparison_page import comparison_page

        with replacing(output) as draft:
            draft.write_text(comparison_page(found), encoding="utf-8")
    return found


def comparison_dict(found: Comparison) -> dict[str, Any]:
    """Return what ``clvml compare --json`` prints."""
    from clvml.tracking.comparison_text import standing, summary

    return {
        "experiment": found.experiment,
        "champion": asdict(found.champion) if found.champion else None,
        "sorted_by": found.metric,
        "runs": [{**asdict(one), "standing": standing(one, found.champion)} for one in found.runs],
        "summary": summary(found),
        "left_out": found.left_out,
        "campaigns": [asdict(one) for one in found.campaigns],
    }
