"""A comparison as one HTML file: no scripts, no other files, light or dark as the reader's device is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.versus import Gain, gain_numbers, short_label
from clvml.report.document import environment
from clvml.tracking.campaign_runs import campaign_table, campaigns_sentence
from clvml.tracking.comparison import HEADLINE, ComparedRun, Comparison
from clvml.tracking.comparison_text import (
    champion_sentence,
    heading,
    left_out_sentence,
    short,
    shown_metrics,
    standing,
    summary,
    table,
)


def comparison_page(found: Comparison) -> str:
    """Return the page."""
    header, rows = table(found)
    template = environment("clvml.tracking").get_template("comparison.html")
    return template.render(
        found=found,
        best_by=heading(found.metric),
        champion=champion_sentence(found),
        summary=summary(found),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        header=[header[0], "against the champion", *header[1:]],
        runs=[_shown(found, one, cells) for one, cells in zip(found.runs, rows, strict=True)],
        left_out=left_out_sentence(found),
        campaigns=campaign_table(found.campaigns),
        together=campaigns_sentence(found.campaigns),
        meanings=[(heading(name), METRICS[name].description) for name in shown_metrics(found)],
    )


def _shown(found: Comparison, one: ComparedRun, cells: list[str]) -> dict[str, Any]:
    said = standing(one, found.champion)
    rows = {difference.metric: difference for difference in one.differences}
    gains = [_gain(rows[name]) for name in HEADLINE if name in rows and math.isfinite(rows[name].low)]
    return {
        "one": one,
        "name": short(one.run),
        "said": said,
        "colour": _colour(said),
        "cells": cells,
        "gains": gains,
    }


def _gain(difference: Gain) -> dict[str, Any]:
    """Return one line: the metric, its interval as a bar around zero, and the numbers."""
    metric = METRICS[difference.metric]
    # Zero in the middle; the farther end of the interval reaches the edge.
    reach = max(abs(difference.low), abs(difference.high), 1e-12) * 1.05
    low, mid, high = (50 + 50 * value / reach for value in (difference.low, difference.gain, difference.high))
    mine, theirs = (metric.text(v, signed=False) for v in (difference.value, difference.champion_value))
    return {
        "label": short_label(difference.metric),
        "verdict": difference.verdict,
        "colour": _colour(difference.verdict),
        **{"low": low, "mid": mid, "high": high},
        **{"mine": mine, "theirs": theirs, "numbers": gain_numbers(difference)},
    }


def _colour(said: str) -> str:
    return said if said in ("better", "worse") else "even"
