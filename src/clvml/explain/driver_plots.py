"""Two pictures of what drives churn, drawn by shap: each function returns a Figure, and shows nothing.

Figures are made by the object interface (never `pyplot`), so they need no display and leave no state behind.
This module imports matplotlib and shap, which takes a second: import it where a plot is wanted.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from clvml.customers import Feature
from clvml.evaluation.plots import Picture
from clvml.explain.influence import LOWERS, MIXED, NONE, RAISES, driver_sentences, drivers
from clvml.explain.wording import check_contributions

with warnings.catch_warnings():
    # shap 0.51 calls, on import, what matplotlib 3.11 is about to deprecate.
    warnings.filterwarnings("ignore", "The set_.* function will be deprecated", PendingDeprecationWarning)
    import shap

INK, PALE = "#222222", "#767676"
# Vermillion and blue of Okabe and Ito (2008), which colour-blind people can tell apart; grey for neither direction.
COLOURS = {RAISES: "#D55E00", LOWERS: "#0072B2", MIXED: PALE, NONE: PALE}
MOST_ROWS = 2_000
NAME_WIDTH = 40


def plot_drivers_bar(
    contributions: ArrayLike, feature_list: Sequence[Feature], features: pd.DataFrame, top: int = 12
) -> Figure:
    """Draw how far each feature moves the churn risk on average, strongest on top.

    Parameters
    ----------
    contributions : array-like of shape (customers, len(feature_list) + 1)
        As `clvml.explain.of_customers.contributions` returns them [log-odds].
    feature_list : sequence of Feature
        The features of the columns of `contributions`, in their order.
    features : DataFrame
        One row per customer, one column per feature.
    top : int
        Features drawn.

    Raises
    ------
    ValueError
        If the shapes do not fit each other or there is no customer. This holds for both plots.

    Examples
    --------
    >>> from clvml.customers import FEATURES
    >>> chosen = [f for f in FEATURES if f.name in ("purchase_days", "days_since_last_order")]
    >>> frame = pd.DataFrame({"purchase_days": [1, 5, 9], "days_since_last_order": [200, 40, 10]})
    >>> figure = plot_drivers_bar([[0.2, 1.0, 0], [0.1, -0.3, 0], [-0.3, -0.7, 0]], chosen, frame)
    >>> figure.get_suptitle().partition(":")[0]
    'Customers who have not bought for long are the likeliest to leave'
    """
    table = drivers(contributions, feature_list, features).head(top)
    explanation = _explanation(contributions, feature_list, features, table, np.arange(len(features)))
    figure = _figure(len(table))
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
        driver_sentences(contributions, feature_list, features, top=1)[0],
        f"Mean absolute SHAP value of {len(features):,} customers; the {len(table)} strongest of"
        f" {len(feature_list)} features",
    )
    return figure


def plot_drivers_beeswarm(
    contributions: ArrayLike,
    feature_list: Sequence[Feature],
    features: pd.DataFrame,
    top: int = 12,
    seed: int = 0,
) -> Figure:
    """Draw one dot per customer and feature: how far it moves the risk, coloured by its value.

    Parameters
    ----------
    contributions, feature_list, features, top
        As in `plot_drivers_bar`.
    seed : int
        Seed of the sample of at most 2,000 customers, and of the order in which dots overlap.

    Examples
    --------
    >>> from clvml.customers import FEATURES
    >>> chosen = [f for f in FEATURES if f.name in ("purchase_days", "days_since_last_order")]
    >>> frame = pd.DataFrame({"purchase_days": [1, 5, 9], "days_since_last_order": [200, 40, 10]})
    >>> figure = plot_drivers_beeswarm([[0.2, 1.0, 0], [0.1, -0.3, 0], [-0.3, -0.7, 0]], chosen, frame)
    >>> [label.get_text().replace(chr(10), " ") for label in figure.axes[0].get_yticklabels()]
    ['days with at least one line of positive amount', 'days from the last purchase day to the cutoff']
    """
    table = drivers(contributions, feature_list, features).head(top)
    rows = np.arange(len(features))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    explanation = _explanation(contributions, feature_list, features, table, rows)
    figure = _figure(len(table))
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
    number = f"{len(rows):,} of {len(features):,}" if len(rows) < len(features) else f"all {len(rows):,}"
    _finish(
        axes,
        driver_sentences(contributions, feature_list, features, top=1)[0],
        f"One dot per customer, {number}; the {len(table)} strongest of {len(feature_list)} features",
    )
    return figure


def _explanation(
    contributions: ArrayLike,
    feature_list: Sequence[Feature],
    features: pd.DataFrame,
    table: pd.DataFrame,
    rows: NDArray[np.intp],
) -> shap.Explanation:
    phi = check_contributions(features, contributions, feature_list)
    names = [feature.name for feature in feature_list]
    columns = np.array([names.index(name) for name in table["feature"]], dtype=np.intp)
    return shap.Explanation(
        values=phi[np.ix_(rows, columns)],
        data=_colour_values(features.iloc[rows][list(table["feature"])]),
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


def _figure(rows: int) -> Figure:
    figure = Picture(figsize=(10.0, 2.4 + 0.52 * rows), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _finish(axes: Axes, finding: str, note: str) -> None:
    # The names of the features take a third of the width: the title starts above them.
    axes.figure.suptitle(
        textwrap.fill(finding.rstrip("."), 76), x=0.01, ha="left", fontsize=15, fontweight="bold", color=INK
    )
    axes.set_title(note, loc="left", fontsize=11, color=PALE, pad=10)
    axes.tick_params("y", labelsize=11, labelcolor=INK, length=0)
    axes.xaxis.label.set(fontsize=12, color=INK)
