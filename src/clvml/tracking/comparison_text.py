"""A comparison in words, for the terminal and the page."""

from __future__ import annotations

import math

from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.versus import gain_text, short_label
from clvml.tracking.comparison import HEADLINE, ComparedRun, Comparison
from clvml.tracking.past import PastRun

_SETTINGS_SHOWN = 6


def short(run: PastRun) -> str:
    """Return how a run is called in a column: its version, its name as a variant, or else its id."""
    if not run.version:
        return run.name if run.is_variant else run.run_id
    return f"v{run.version}{f' {run.alias}' if run.alias else ''}"


def heading(metric: str) -> str:
    """Return what a column of a metric holds: of one where zero is best, the size.

    >>> heading("wape"), heading("total_bias")
    ('WAPE', 'size of bias')
    """
    return f"size of {short_label(metric)}" if METRICS[metric].better == "zero" else short_label(metric)


def value_text(run: PastRun, metric: str) -> str:
    value = run.metrics.get(metric, math.nan)
    return METRICS[metric].text(value, signed=False) if math.isfinite(value) else "-"


def shown_metrics(found: Comparison) -> tuple[str, ...]:
    """Return the metrics of the table: the headline, after the one that it is sorted by."""
    return tuple(dict.fromkeys([found.metric, *HEADLINE]))


def table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the runs."""
    metrics = shown_metrics(found)
    rows = [
        [
            short(one.run),
            one.run.started.strftime("%Y-%m-%d %H:%M"),
            *(value_text(one.run, name) for name in metrics),
        ]
        for one in found.runs
    ]
    return ["Run", "when (UTC)", *(heading(name) for name in metrics)], rows


def champion_sentence(found: Comparison) -> str:
    champion = found.champion
    if champion is None:
        return "There is no champion; 'clvml promote VERSION' makes one."
    elsewhere = (
        "" if any(one.run.run_id == champion.run_id for one in found.runs) else ", not among these runs"
    )
    return (
        f"The champion is {champion.label} of '{champion.registered_model}'{elsewhere}: "
        f"{champion.horizon_days} days from {champion.as_of}."
    )


def summary(found: Comparison) -> str:
    """Return which runs could replace the champion, and how; nothing where none was held against it."""
    if found.champion is None or not any(one.differences for one in found.runs):
        return ""
    better = [one.run for one in found.runs if standing(one, found.champion) == "better"]
    if not better:
        return "No run is clearly better than the champion in one of these metrics and worse in none."
    said = f"Clearly better than the champion, and worse in nothing: {', '.join(map(short, better))}."
    registered = [run for run in better if run.version]
    if registered:
        first = registered[0]
        said += f" To use it: clvml promote models:/{first.registered_model}/{first.version}"
    return said


def left_out_sentence(found: Comparison) -> str:
    if not found.left_out:
        return ""
    listed = ", ".join(f"{count} {kind}" for kind, count in found.left_out.items())
    return f"left out, for they have no result: {listed}"


def standing(one: ComparedRun, champion: PastRun | None) -> str:
    """Return how a run stands against the champion, in a few words."""
    if champion is not None and one.run.run_id == champion.run_id:
        return "the champion"
    if one.obstacle:
        return f"not comparable: {one.obstacle}"
    better, worse = one.metrics_with("better"), one.metrics_with("worse")
    if better and worse:
        return "better and worse"
    return "better" if better else "worse" if worse else "no clear difference"


def why(one: ComparedRun) -> list[str]:
    """Return the clear differences in the headline metrics, with their intervals."""
    rows = {difference.metric: difference for difference in one.differences}
    said = []
    for verdict in ("better", "worse"):
        names = one.metrics_with(verdict)
        if names:
            said.append(f"{verdict} in {', '.join(gain_text(rows[name]) for name in names)}")
    return said


def settings_text(one: ComparedRun) -> str:
    """Return what differs in the configurations: ``model.max_depth 5 (champion 3)``."""
    pairs = list(one.settings.items())
    said = [f"{key} {mine or 'not set'} (champion {theirs or 'not set'})" for key, (mine, theirs) in pairs]
    if not said:
        return "the same"
    more = f", and {len(said) - _SETTINGS_SHOWN} more" if len(said) > _SETTINGS_SHOWN else ""
    return ", ".join(said[:_SETTINGS_SHOWN]) + more
