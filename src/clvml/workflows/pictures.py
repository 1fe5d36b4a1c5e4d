"""The pictures of a training; one that cannot be drawn is left out with a note."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from clvml.config import AnyConfig
from clvml.errors import secondary
from clvml.evaluation.backtest import Backtest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clvml.explain import Explanation


def draw_pictures(
    tested: Backtest | None, explanation: Explanation | None, config: AnyConfig, notes: list[str]
) -> dict[str, bytes]:
    """Return PNGs by name: of the test on the newest test window, and of what drives churn.

    A picture that is left out adds a note to ``notes``.
    """
    drawn: dict[str, bytes] = {}
    pictures: dict[str, Callable[[], Figure]] = {}
    with secondary("all pictures", notes):
        if tested is not None:
            pictures |= _of_the_test(tested, config, notes)
        if explanation is not None:
            pictures |= _of_the_drivers(explanation, config.seed)
    for name, draw in pictures.items():
        with secondary(f"the picture '{name}'", notes):
            # Drawn here and not where it is written: much of what can go wrong does so while text is laid out.
            content = BytesIO()
            # Without the software's name, the same figure gives the same bytes under another matplotlib release.
            draw().savefig(content, format="png", metadata={"Software": None})
            drawn[name] = content.getvalue()
    return drawn


def _of_the_test(tested: Backtest, config: AnyConfig, notes: list[str]) -> dict[str, Callable[[], Figure]]:
    # Imported here: matplotlib takes a second, and scoring does not need it.
    from clvml.evaluation.plots import (
        plot_churn_calibration,
        plot_gains,
        plot_leaderboard,
        plot_spend_deciles,
    )

    newest = tested.predictions[tested.predictions["cutoff"] == tested.predictions["cutoff"].max()]
    ours = tested.models[0]
    spends = {m.name: newest[m.spend].to_numpy() for m in tested.models if m.spend and m.name != "zero"}
    actual = newest["actual_spend"].to_numpy()
    pooled = tested.leaderboard.pooled.dropna(subset=["value"])
    pictures: dict[str, Callable[[], Figure]] = {
        "calibration": partial(plot_churn_calibration, newest["churned"], newest[ours.churn]),
        "deciles": partial(plot_spend_deciles, actual, newest[ours.spend], config.data.currency or ""),
    }
    undefined = []
    if actual.sum() > 0:
        pictures["gains"] = partial(plot_gains, actual, spends, ours.name)
    else:
        undefined.append("'gains' (no money in the newest test window)")
    for name, metric in (("leaderboard_wape", "wape"), ("leaderboard_auc", "roc_auc")):
        if (pooled["metric"] == metric).any():
            pictures[name] = partial(plot_leaderboard, tested.leaderboard, metric)
        else:
            undefined.append(f"'{name}' (undefined at every test date)")
    if undefined:
        notes.append(f"pictures left out, for there is nothing to draw: {', '.join(undefined)}")
    return pictures


def _of_the_drivers(explanation: Explanation, seed: int) -> dict[str, Callable[[], Figure]]:
    # Imported here: shap takes a second, and scoring does not need it.
    from clvml.explain.driver_plots import plot_drivers_bar, plot_drivers_beeswarm

    return {
        "shap_bar": partial(plot_drivers_bar, explanation),
        "shap_beeswarm": partial(plot_drivers_beeswarm, explanation, seed=seed),
    }
