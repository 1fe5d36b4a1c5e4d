"""Two pictures of what drives churn, drawn by shap: each function returns a Figure, and shows nothing.

Figures are made by the object interface (never `pyplot`), so they need no display and leave no state behind.
This module imports matplotlib and shap, which takes a second: import it where a plot is wanted.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from clvml.evaluation.plots import INK, PALE, empty_picture
from clvml.explain.influence import LOWERS, MIXED, NONE, RAISES, Explanation

with warnings.catch_warnings():
    # shap 0.51 calls, on import, what matplotlib 3.11 is about to deprecate.
    warnings.filterwarnings("ignore", "The set_.* function will be deprecated", PendingDeprecationWarning)
    import shap

# Vermillion and blue of Okabe and Ito (2008), which colour-blind people can tell apart; grey for neither direction.
COLOURS = {RAISES: "#D55E00", LOWERS: "#0072B2", MIXED: PALE, NONE: PALE}
MOST_ROWS = 2_000
NAME_WIDTH = 40


def plot_drivers_bar(explained: Explanation, top: int = 12) -> Figure:
    """Draw how far each feature moves the churn risk on average, strongest on top.

    Parameters
    ----------
    explained : Explanation
        Of at least one customer, with its errors.
    top : int
        Features drawn.
    """
    table = explained.drivers().head(top)
    explanation = _explanation(explained, table, np.arange(len(explained.features)))
    figure = empty_picture(2.4 + 0.52 * len(table), width=10.0)
    axes = figure.subplots()
    shap.plots.bar(explanation, max_display=len(table), ax=axes, show=False)
    colours = [COLOURS[direction] for direction in table["direction"]]
    for bar, text, colour, value in zip(
        axes.patches, axes.texts, colours, table["mean_abs_shap"], strict=True
    ):
        bar.set_facecolor(colour)
        text.set_color(colour)
        text.set_text(f"{value:.2f}")
    axes.set_xlabel("mean influence on churn risk [log-odds]")
    shown = list(dict.fromkeys(table["direction"]))
    figure.legend(
        [Patch(facecolor=COLOURS[direction]) for direction in shown],
        shown,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=11,
    )
    _finish(
        axes,
        explained.sentences(top=1)[0],
        f"Mean absolute SHAP value of {len(explained.features):,} customers; the {len(table)} strongest of"
        f" {len(explained.known)} features",
    )
    return figure


def plot_drivers_beeswarm(explained: Explanation, top: int = 12, seed: int = 0) -> Figure:
    """Draw one dot per customer and feature: how far it moves the risk, coloured by its value.

    Parameters
    ----------
    explained, top
        As in `plot_drivers_bar`.
    seed : int
        Seed of the sample of at most 2,000 customers, and of the order in which dots overlap.
    """
    table = explained.drivers().head(top)
    customers = len(explained.features)
    rows = np.arange(customers)
    if customers > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    explanation = _explanation(explained, table, rows)
    figure = empty_picture(2.4 + 0.52 * len(table), width=10.0)
    axes = figure.subplots()
    with _legacy_seed(seed):
        shap.plots.beeswarm(
            explanation,
            max_display=len(table),
            order=np.arange(len(table)),
            ax=axes,
            show=False,
            plot_size=None,
            color_bar_label="value of the feature (grey: missing)",
        )
    axes.set_xlabel("influence on churn risk [log-odds]; right of 0 raises it")
    number = f"{len(rows):,} of {customers:,}" if len(rows) < customers else f"all {customers:,}"
    _finish(
        axes,
        explained.sentences(top=1)[0],
        f"One dot per customer, {number}; the {len(table)} strongest of {len(explained.known)} features",
    )
    return figure


def _explanation(explained: Explanation, table: pd.DataFrame, rows: NDArray[np.intp]) -> shap.Explanation:
    names = [feature.name for feature in explained.known]
    columns = np.array([names.index(name) for name in table["feature"]], dtype=np.intp)
    return shap.Explanation(
        values=explained.influences[np.ix_(rows, columns)],
        data=_colour_values(explained.features.iloc[rows][list(table["feature"])]),
        feature_names=[textwrap.fill(_name(text), NAME_WIDTH) for text in table["description"]],
    )


def _colour_values(features: pd.DataFrame) -> NDArray[np.float64]:
    """Return the ranks of the values: they spread evenly over the colours, however long the tail.

    Where the ranks hardly vary, shap falls back on the minimum, which it cannot compute with missing values.
    """
    ranks = features.astype(float).rank(pct=True).to_numpy(copy=True)
    for column in ranks.T:
        present = column[~np.isnan(column)]
        if not len(present):
            column[:] = 0.0
        elif np.ptp(np.percentile(present, [1, 99])) == 0:
            column[np.isnan(column)] = np.median(present)
    return ranks


@contextmanager
def _legacy_seed(seed: int) -> Iterator[None]:
    # shap scatters its dots with NumPy's global generator. It is seeded here, and restored afterwards.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _name(description: str) -> str:
    return description.partition(";")[0].partition(":")[0]


def _finish(axes: Axes, finding: str, note: str) -> None:
    # The names of the features take a third of the width: the title starts above them.
    axes.figure.suptitle(
        textwrap.fill(finding.rstrip("."), 76), x=0.01, ha="left", fontsize=15, fontweight="bold", color=INK
    )
    axes.set_title(note, loc="left", fontsize=11, color=PALE, pad=10)
    axes.tick_params("y", labelsize=11, labelcolor=INK, length=0)
    axes.xaxis.label.set(fontsize=12, color=INK)
