"""Four pictures of how good the predictions are: each function returns a Figure, and shows nothing.

Figures are made by the object interface (never `pyplot`), so they need no display, leave no state behind and
are safe in threads. `figure.savefig("calibration.png")` gives 900 pixels of width.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from clvml.evaluation.kernels import GROUPS
from clvml.evaluation.leaderboard import METRICS, Leaderboard
from clvml.evaluation.metrics import (
    Array,
    Drawn,
    Sample,
    check_arrays,
    check_churn,
    expected_calibration_error,
    top_share,
    total_bias,
)

# Okabe and Ito (2008), told apart by colour-blind people: blue, vermillion, green, purple, orange, sky blue.
CHAMPION, SECOND = "#0072B2", "#D55E00"
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, PALE, GRID = "#222222", "#767676", "#DDDDDD"
DASHES = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
LONGEST_LEGEND = 6
LOOKS = {
    "champion": (CHAMPION, "o", "champion"),
    "better": (PALE, "s", "champion is better"),
    "no clear difference": (OTHERS[2], "D", "no clear difference"),
    "worse": (SECOND, "^", "champion is worse"),
    "": (PALE, "o", "not compared"),
}
BETTER = {"higher": "further right is better", "lower": "further left is better", "zero": "near 0 is better"}


def plot_churn_calibration(churned: ArrayLike, p_churn: ArrayLike) -> Figure:
    """Draw predicted churn against the share who churned, in ten equal groups of customers.

    The bars at each point are the 95% Wilson interval of the share (Wilson 1927, JASA 22). The strip below
    counts the customers at each prediction.

    Parameters
    ----------
    churned : array-like of shape (customers,)
        1 where the customer bought nothing in the window, else 0.
    p_churn : array-like of shape (customers,)
        Predicted probability of it.

    Raises
    ------
    ValueError
        If a value is missing or out of range, or the lengths differ. This holds for all plots.

    Examples
    --------
    >>> plot_churn_calibration([0, 1], [0.0, 1.0]).axes[0].get_title(loc="left")
    'Predicted churn is 0 points off what happened, on average'
    """
    actual, predicted = check_arrays(churned=churned, p_churn=p_churn)
    check_churn(actual, predicted)
    happened, expected = _tenths(actual, predicted)
    low, high = _wilson(happened, len(actual) / GROUPS)

    figure = empty_picture(6.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1.2)
    upper.errorbar(
        expected,
        happened,
        yerr=[happened - low, high - happened],
        color=CHAMPION,
        marker="o",
        linewidth=2,
        elinewidth=1.2,
        capsize=3,
    )
    off = f"{100 * cast(float, expected_calibration_error(actual, predicted)):.0f}"
    _title(
        upper,
        f"Predicted churn is {off} point{'' if off == '1' else 's'} off what happened, on average",
        "One dot per tenth of the customers, with 95% interval; on the dashed line the prediction holds",
    )
    upper.set(ylabel="customers who churned [%]", xlim=(0, 1), ylim=(-0.03, 1.03))
    lower.hist(predicted, bins=np.linspace(0, 1, 41).tolist(), color=CHAMPION, alpha=0.75)
    lower.set(xlabel="predicted probability of churn [%]", ylabel="customers")
    for axis in (upper.yaxis, lower.xaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=""))
    lower.yaxis.set_major_formatter(_thousands())
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    return _finish(figure)


def plot_spend_deciles(actual: ArrayLike, predicted: ArrayLike, currency: str = "") -> Figure:
    """Draw mean predicted beside mean actual spend, for tenths of the customers by prediction.

    Parameters
    ----------
    actual, predicted : array-like of shape (customers,)
        Spend in the window [currency].
    currency : str
        Unit on the axis, such as "GBP".

    Examples
    --------
    >>> plot_spend_deciles([1, 2], [1, 2.3], "GBP").axes[0].get_title(loc="left")
    'The predicted total is 10.0% too high'
    """
    happened, expected = _tenths(*check_arrays(actual=actual, predicted=predicted))
    figure = empty_picture(5.2)
    axes = figure.subplots()
    tenths = np.arange(1, GROUPS + 1)
    axes.bar(tenths - 0.2, expected, 0.38, color=CHAMPION, label="predicted")
    axes.bar(tenths + 0.2, happened, 0.38, color=SECOND, label="actual", hatch="///", edgecolor="white")
    bias = cast(float, total_bias(actual, predicted))
    if math.isnan(bias):
        finding = "Nobody spent money on balance"
    elif round(abs(bias), 3) == 0:
        finding = "The predicted total is right"
    else:
        finding = f"The predicted total is {abs(bias):.1%} too {'high' if bias > 0 else 'low'}"
    _title(axes, finding, "Mean spend per customer, in tenths of the customers from low to high prediction")
    unit = f" [{currency}]" if currency else ""
    axes.set(
        xlabel="tenth of the customers by predicted spend (10 = highest)", ylabel=f"spend per customer{unit}"
    )
    axes.set_xticks(tenths)
    axes.yaxis.set_major_formatter(_thousands())
    axes.legend(loc="upper left", frameon=False)
    return _finish(figure)


def plot_gains(actual: ArrayLike, predictions: Mapping[str, ArrayLike], champion: str) -> Figure:
    """Draw the share of the money found by taking customers from the highest prediction down.

    Customers with the same prediction make a straight piece, whatever the order of the rows.

    Parameters
    ----------
    actual : array-like of shape (customers,)
        Spend in the window [currency]; its total must be positive.
    predictions : mapping of str to array-like of shape (customers,)
        Expected spend by model. At most six are drawn: the champion and the first five others.
    champion : str
        The model drawn boldly.

    Examples
    --------
    >>> plot_gains([0, 10, 90, 0], {"ours": [1, 3, 4, 2]}, "ours").axes[0].get_title(loc="left")
    'The top 20% of customers by prediction bring 72% of the money'
    """
    if champion not in predictions:
        raise ValueError(f"champion {champion!r} is not one of {list(predictions)}")
    values = check_arrays(actual=actual)[0]
    if values.sum() <= 0:
        raise ValueError(
            f"the total of actual must be positive to be shared out (currently {values.sum():g})"
        )
    shown = [champion, *(name for name in predictions if name != champion)][:LONGEST_LEGEND]
    figure = empty_picture(6.0)
    axes = figure.subplots()
    axes.plot(*_gains(values, values), color=INK, linewidth=1, label="perfect knowledge")
    for index, name in reversed(list(enumerate(shown))):
        first = index == 0
        axes.plot(
            *_gains(*check_arrays(**{"actual": values, name: predictions[name]})),
            color=CHAMPION if first else (SECOND, *OTHERS)[index - 1],
            linestyle="-" if first else DASHES[(index - 1) % len(DASHES)],
            linewidth=2.8 if first else 1.6,
            label=name,
        )
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1, linestyle=(0, (1, 3)), label="by chance")
    best = cast(float, top_share(values, predictions[champion], 0.2))
    axes.plot([0.2, 0.2, 0], [0, best, best], color=PALE, linewidth=1)
    axes.plot(0.2, best, "o", color=CHAMPION)
    _title(
        axes,
        f"The top 20% of customers by prediction bring {100 * best:.0f}% of the money",
        f"Money found when taking customers from the highest prediction down, by {champion}",
    )
    axes.set(xlabel="customers taken, highest prediction first [%]", ylabel="money found [%]", xlim=(0, 1))
    axes.set_ylim(0, max(1.05, axes.get_ylim()[1]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=""))
    handles, labels = axes.get_legend_handles_labels()
    order = [0, *range(len(shown), 0, -1), len(shown) + 1]
    axes.legend([handles[i] for i in order], [labels[i] for i in order], loc="lower right", frameon=False)
    return _finish(figure)


def plot_leaderboard(leaderboard: Leaderboard, metric: str) -> Figure:
    """Draw the pooled value of each model with its 95% interval, best on top.

    Intervals may overlap where a difference is clear, because all models are measured on the same draws of
    customers: the colour tells the verdict against the champion.

    Parameters
    ----------
    metric : str
        Name of a metric, such as "wape".

    Raises
    ------
    ValueError
        If the metric was not measured.
    """
    rows = (
        leaderboard.pooled[leaderboard.pooled["metric"] == metric].dropna(subset=["value"]).set_index("model")
    )
    if rows.empty:
        known = sorted(set(leaderboard.pooled.dropna(subset=["value"])["metric"]))
        raise ValueError(f"metric {metric!r} was not measured, or is undefined here; there are {known}")
    what = METRICS[metric]
    names = [name for name in leaderboard.table([metric]).index[::-1] if name in rows.index]
    own = leaderboard.versus[leaderboard.versus["metric"] == metric]
    verdicts = dict(zip(own["opponent"], own["verdict"], strict=True)) | {leaderboard.champion: "champion"}
    figure = empty_picture(2.6 + 0.42 * len(names))
    axes = figure.subplots()
    drawn = {}
    for height, name in enumerate(names):
        colour, marker, label = LOOKS[verdicts.get(name, "")]
        value, low, high = rows.loc[name, ["value", "low", "high"]].to_numpy(dtype=float)
        axes.plot([low, high], [height, height], color=colour, linewidth=2)
        drawn[label] = axes.plot(value, height, marker, color=colour, markersize=8)[0]
        axes.annotate(
            what.text(value),
            (value, height),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
    _title(axes, _finding(leaderboard, metric), f"{what.description} Bars: 95% interval", width=50)
    axes.set_yticks(range(len(names)), [textwrap.shorten(name, 28, placeholder="...") for name in names])
    axes.set_ylim(-0.6, len(names) - 0.3)
    axes.set_xlabel(f"{what.label}: {BETTER[what.better]}")
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: what.text(value)))
    if what.better == "zero":
        axes.axvline(0, color=PALE, linewidth=1, linestyle="--")
    figure.legend(list(drawn.values()), list(drawn), loc="outside lower center", ncols=4, frameon=False)
    return _finish(figure)


def _finding(leaderboard: Leaderboard, metric: str) -> str:
    others = leaderboard.best_others()
    row = others[others["metric"] == metric]
    if row.empty:
        return METRICS[metric].label
    verdict, opponent = row["verdict"].iloc[0], row["opponent"].iloc[0]
    words = {
        "better": "is clearly better than",
        "worse": "is clearly worse than",
        "no clear difference": "is level with",
    }
    return f"{leaderboard.champion} {words[verdict]} the best other, {opponent}"


def _sample(actual: Array, predicted: Array) -> Sample:
    return Sample(Drawn(actual, np.ones((len(actual), 1))), predicted)


def _tenths(actual: Array, predicted: Array) -> tuple[Array, Array]:
    sample = _sample(actual, predicted)
    shares = np.arange(1, GROUPS + 1) / GROUPS
    money = sample.sizes * sample.ranking.values[:, None]
    cuts = (
        sample.up_to(shares, sample.actuals, sample.actuals_to_here),
        sample.up_to(shares, money, np.cumsum(money, axis=0)),
    )
    happened, expected = (np.diff(cut[:, 0], prepend=0.0) * GROUPS / len(actual) for cut in cuts)
    return happened, expected


def _gains(actual: Array, predicted: Array) -> tuple[Array, Array]:
    sample = _sample(actual, predicted)
    customers, money = sample.sizes_to_here[::-1, 0], sample.actuals_to_here[::-1, 0]
    return (
        np.r_[1 - customers / customers[0], 1.0],
        np.r_[1 - money / money[0], 1.0],
    )


def _wilson(share: Array, count: float) -> tuple[Array, Array]:
    z = 1.959963984540054
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = (
        z
        / (1 + z**2 / count)
        * np.sqrt(np.clip(share * (1 - share), 0, None) / count + (z / (2 * count)) ** 2)
    )
    # Rounding must not put a bound on the wrong side of the share.
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


class Picture(Figure):
    """A figure that a notebook shows by itself: notebooks know the figures of pyplot only."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png")
        return drawn.getvalue()


def empty_picture(height: float, width: float = 9.0) -> Picture:
    """Return a figure to draw on [inches], of 100 pixels an inch."""
    figure = Picture(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _title(axes: Axes, finding: str, note: str, width: int = 72) -> None:
    # A line of the note is smaller than one of the title, and holds half as many characters more.
    lines = textwrap.wrap(note, width * 3 // 2)
    title = textwrap.fill(finding, width)
    axes.set_title(title, loc="left", fontsize=15, fontweight="bold", color=INK, pad=14 + 16 * len(lines))
    axes.annotate(
        "\n".join(lines),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 10),
        textcoords="offset points",
        fontsize=11,
        color=PALE,
    )


def _finish(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.set_axisbelow(True)
        axes.grid(True, axis="both", color=GRID, linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(PALE)
        axes.tick_params(labelsize=11, colors=INK, length=0)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(fontsize=12, color=INK)
    return figure


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.10g}")
