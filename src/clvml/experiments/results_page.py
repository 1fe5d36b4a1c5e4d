"""The page of an experiment: question, answer, tables, chart, and how to make it again."""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clvml import workflows
from clvml.evaluation.backtest import MODEL_NAME
from clvml.evaluation.leaderboard import METRICS, Leaderboard
from clvml.evaluation.plots import CHAMPION, GRID, INK, PALE, SECOND, empty_picture
from clvml.evaluation.versus import Gain, short_label
from clvml.experiments.choice import (
    Comparison,
    answer,
    earlier_dates,
    point_board,
    value_label,
    value_text,
    values,
)
from clvml.experiments.definition import Range, Search, Variant, shown
from clvml.experiments.runner import Outcome, code_fingerprint
from clvml.storage.addresses import hide_password
from clvml.storage.files import replacing
from clvml.tracking.description import markdown_table

METRICS_SHOWN = ("wape", "rmse", "spearman", "gini", "total_bias", "roc_auc", "log_loss", "brier")
BASELINES_SHOWN = 3
LONGEST_CHART = 20
LONGEST_FINGERPRINT = 12
IMAGES = "images"


def write_report(outcome: Outcome) -> list[Path]:
    """Write the page beside the experiment file and its chart into ``images/``; return both paths.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    path = outcome.definition.path
    page, image = path.with_suffix(".md"), path.parent / IMAGES / f"{path.stem}.png"
    image.parent.mkdir(exist_ok=True)
    with replacing(image) as draft:
        # Without the software's name, the same figure gives the same bytes under another matplotlib release.
        plot_gains_over_base(outcome.comparison).savefig(draft, format="png", metadata={"Software": None})
    with replacing(page) as draft:
        draft.write_text(page_text(outcome), encoding="utf-8")
    return [page, image]


def page_text(outcome: Outcome) -> str:
    """Return the page in Markdown; equal for equal results."""
    definition, comparison = outcome.definition, outcome.comparison
    number, _, words = definition.name.partition("-")
    title = f"{number}: {words.replace('-', ' ')}" if words else definition.name
    label = METRICS[comparison.metric].label
    dates = [day.isoformat() for day in comparison.dates]
    failed = [result for result in outcome.results if result.error]
    parts = [
        f"# {title}",
        f"**Question.** {definition.question}",
        f"**Answer.** {_plain(answer(comparison))}",
        f"![Gain of each variant over the base]({IMAGES}/{definition.path.stem}.png)",
        f"## Chosen on: {_dates(dates[:-1])}",
        f"Best first by {label}. The gain is over '{comparison.base}', positive where the variant is better, with its"
        " 95% interval by a paired bootstrap over customers; the other figures are means over the dates"
        f"{', of a bias over its size' if len(dates) > 2 else ''}.",
        _table(comparison, comparison.earlier, "earlier"),
        f"## Only reported: {dates[-1]}",
        _table(comparison, comparison.last, "last"),
    ]
    if comparison.apart:
        parts += ["## Not comparable", _apart(outcome)]
    parts += [
        "## Variants",
        variants_table((result.variant for result in outcome.results), definition.config_path),
    ]
    if failed:
        parts += [
            "## Failed",
            "\n".join(
                f"- {_plain(result.variant.name)}: {' '.join(result.error.split())}" for result in failed
            ),
        ]
    parts += ["## Data and method", _method(outcome)]
    return "\n\n".join(parts) + "\n"


def plot_gains_over_base(comparison: Comparison) -> Figure:
    """Draw the gain of each variant over the base: filled on the dates used for choosing, hollow on the last."""
    metric = METRICS[comparison.metric]
    names = [name for name in comparison.ranked() if name != comparison.base][:LONGEST_CHART][::-1]
    figure = empty_picture(2.2 + 0.5 * max(len(names), 1))
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    for board, offset, label, fill in (
        (comparison.earlier, 0.13, "dates used for choosing", CHAMPION),
        (comparison.last, -0.13, "last date, only reported", "white"),
    ):
        gains = comparison.gains(board)
        colour = CHAMPION if fill == CHAMPION else SECOND
        for height, name in enumerate(names):
            gain = gains[name]
            if not math.isfinite(gain.gain + gain.low):
                continue
            axes.plot([gain.low, gain.high], [height + offset] * 2, color=colour, linewidth=2, zorder=2)
            axes.plot(
                gain.gain,
                height + offset,
                "o",
                color=colour,
                markerfacecolor=fill,
                markersize=7,
                zorder=3,
                label=label if height == 0 else None,
            )
    axes.set_yticks(range(len(names)), [textwrap.shorten(name, 44, placeholder="...") for name in names])
    axes.set_ylim(-0.6, max(len(names), 1) - 0.4)
    short = short_label(metric.name)
    axes.set_xlabel(f"gain in {short} over '{comparison.base}' (right of 0: better than the base)")
    axes.set_title(
        textwrap.fill(f"{metric.label}: gain over '{comparison.base}', with 95% interval", 80),
        loc="left",
        fontsize=13,
        color=INK,
    )
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_axisbelow(True)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.tick_params(labelsize=10, colors=INK, length=0)
    if names:
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _table(comparison: Comparison, board: Leaderboard, which: str) -> str:
    metrics = list(dict.fromkeys((comparison.metric, *METRICS_SHOWN)))
    gains, found = comparison.gains(board), values(board)
    header = ["variant", *(value_label(board, metric) for metric in metrics), "gain", "against the base"]
    rows = [
        [
            f"**{_plain(name)}**" if name == comparison.best else _plain(name),
            *_cells(board, found, name, metrics),
            *_gain_cells(gains.get(name)),
        ]
        for name in comparison.ranked()
    ]
    baselines = comparison.baselines[which]
    known = [model for model, metric in baselines if metric == comparison.metric]

    def goodness(model: str) -> float:
        return METRICS[comparison.metric].goodness(baselines[model, comparison.metric])

    rows += [
        [
            f"*{_plain(workflows.short_name(model))}*",
            *_cells(board, baselines, model, metrics),
            "",
            "",
        ]
        for model in sorted(known, key=goodness, reverse=True)[:BASELINES_SHOWN]
    ]
    return markdown_table(header, rows)


def _gain_cells(gain: Gain | None) -> list[str]:
    if gain is None:
        return ["", "base"]
    return [f"{gain.gain:+.3g} ({gain.low:+.3g} to {gain.high:+.3g})", gain.verdict]


def _apart(outcome: Outcome) -> str:
    metrics = list(dict.fromkeys((outcome.comparison.metric, *METRICS_SHOWN)))
    boards = {
        result.variant.name: point_board(earlier_dates(result.predictions))
        for result in outcome.results
        if result.predictions is not None and result.variant.name in outcome.comparison.apart
    }
    header = ["variant", *(value_label(next(iter(boards.values())), metric) for metric in metrics)]
    rows = [
        [_plain(name), *_cells(board, values(board), MODEL_NAME, metrics)] for name, board in boards.items()
    ]
    return (
        "These predict something else than the base does, or other customers: no pair, no gain.\n\n"
        + markdown_table(header, rows)
    )


def variants_table(variants: Iterable[Variant], config_path: str) -> str:
    """Return what each variant changes, in Markdown."""
    rows = [
        [
            _plain(variant.name),
            ", ".join(f"`{key}: {shown(value)}`" for key, value in variant.changes.items())
            or f"`{config_path}` as it is",
        ]
        for variant in variants
    ]
    return markdown_table(["variant", "changes"], rows, numbers=False)


def search_text(search: Search) -> str:
    """Return what a search went through, in words."""
    spaces = ", ".join(f"`{key}` {_space(given)}" for key, given in search.parameters.items())
    return f"Search: {search.trials} trials of Optuna's TPE over {spaces}."


def _method(outcome: Outcome) -> str:
    definition, comparison = outcome.definition, outcome.comparison
    base = definition.base
    lines = [
        f"Data: `{hide_password(base.data.source)}`, fingerprint `{outcome.fingerprint[:LONGEST_FINGERPRINT]}`, known"
        f" until {outcome.as_of.isoformat()}; {comparison.rows:,} predictions of {base.windows.horizon_days} days.",
        f"Method: each variant is trained anew as of each test date, on nothing dated at or after it;"
        f" {base.evaluation.bootstrap_samples} draws of customers, seed {base.seed}. Rows in italics are the best"
        " baselines.",
    ]
    if definition.search is not None:
        lines.append(search_text(definition.search))
    lines.append(f"Code: clvml {version('clvml')}, its forecasting part `{code_fingerprint()}`.")
    overrides = [word for assignment in definition.overrides for word in ("--set", _shown(assignment))]
    source = ["--data", hide_password(definition.source)] if definition.source else []
    command = shlex.join(["clvml", "experiment", definition.path.as_posix(), *source, *overrides])
    return "\n".join([*(f"- {line}" for line in lines), "", f"Made by `{command}`."])


def _space(given: Range | list[Any]) -> str:
    """Return in words what a search chooses from."""
    if isinstance(given, list):
        return f"in {shown(given)}"
    kind = int if given.int else float
    return f"from {kind(given.low):g} to {kind(given.high):g}{' by its logarithm' if given.log else ''}"


def _cells(
    board: Leaderboard, found: dict[tuple[str, str], float], model: str, metrics: list[str]
) -> list[str]:
    """Return what was measured of a model, a cell per metric, empty for what it does not predict."""
    return [
        value_text(board, metric, found[model, metric]) if (model, metric) in found else ""
        for metric in metrics
    ]


def _plain(name: str) -> str:
    """Return a name without what Markdown would take for its own."""
    return re.sub(r"([\\*`<])", r"\\\1", name)


def _dates(dates: list[str]) -> str:
    return dates[0] if len(dates) == 1 else f"{', '.join(dates[:-1])} and {dates[-1]}"


def _shown(assignment: str) -> str:
    key, equals, value = assignment.partition("=")
    return key + equals + hide_password(value)
