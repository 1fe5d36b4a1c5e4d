"""Two forecasts of the same customers at the same dates: what one gains over the other, in numbers and words.

One paired bootstrap (`clvml.evaluation.leaderboard`), one wording and one short label per metric serve the runs in
MLflow, promotion, experiments and the backtest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from clvml.evaluation.leaderboard import METRICS, Leaderboard


@dataclass(frozen=True)
class Gain:
    """How much better a model is than the champion by one metric.

    Attributes
    ----------
    gain : float
        In favour of the model: positive means that it is better.
    low, high : float
        Of the gain, the 95% interval of a bootstrap over customers.
    verdict : str
        "better", "worse" or "no clear difference", where 0 lies in the interval.
    value, champion_value : float
        Means over the test dates; where zero is best, of the distance from zero.
    """

    metric: str
    gain: float
    low: float
    high: float
    verdict: str
    value: float
    champion_value: float


def gains(board: Leaderboard) -> dict[str, dict[str, Gain]]:
    """Return ``{model: {metric: Gain}}`` of all but the champion.

    The leaderboard speaks for the champion, a gain for the other side.
    """
    turned = {"better": "worse", "worse": "better"}
    found: dict[str, dict[str, Gain]] = {name: {} for name in board.models if name != board.champion}
    for row in board.versus.to_dict("records"):
        found[row["opponent"]][row["metric"]] = Gain(
            metric=row["metric"],
            # Not -x, which makes -0.0 of nothing.
            gain=0.0 - row["difference"],
            low=0.0 - row["high"],
            high=0.0 - row["low"],
            verdict=turned.get(row["verdict"], row["verdict"]),
            value=row["opponent_value"],
            champion_value=row["champion_value"],
        )
    return found


def gain_text(gain: Gain) -> str:
    """Return a metric with its gain and interval: ``WAPE by 0.012 (0.004 to 0.020)``."""
    return f"{short_label(gain.metric)} by {gain_numbers(gain, flip=gain.verdict == 'worse')}"


def gain_numbers(gain: Gain, flip: bool = False) -> str:
    """Return a gain and its interval, as a loss where ``flip``."""
    sign = -1.0 if flip else 1.0
    ends = sorted((sign * gain.low, sign * gain.high))
    amount, low, high = (_amount(gain, number) for number in (sign * gain.gain, *ends))
    return f"{amount} ({low} to {high})"


def short_label(metric: str) -> str:
    """Return the name of a metric for the head of a column.

    >>> short_label("wape"), short_label("top_10_share")
    ('WAPE', 'top 10%')
    """
    label = METRICS[metric].label
    return label.partition("(")[2].rstrip(")") or label.removeprefix("Money in the ")


def _amount(gain: Gain, value: float) -> str:
    """Return a gain or an end of its interval, with as many digits as it takes to tell the gain from zero."""
    metric = METRICS[gain.metric]
    if metric.format.endswith("%") or gain.gain == 0 or not math.isfinite(value):
        return metric.text(value, signed=False)
    shown = metric.text(value, signed=False)
    needed = 1 - math.floor(math.log10(abs(gain.gain)))
    return f"{value:z.{needed}f}" if needed > len(shown.partition(".")[2]) else shown
