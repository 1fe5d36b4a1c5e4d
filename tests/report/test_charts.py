from __future__ import annotations

import re
from itertools import pairwise

import pytest

from clvml.report.charts import Plot, amounts_plot, nice_ticks, text_width


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 14251), (-300, 12), (0, 1e-3), (0, 9.99e11), (-5, 0)])
def test_ticks_hold_the_values_and_zero(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 0.0 in ticks
    assert 2 <= len(ticks) <= 8 and ticks == sorted(ticks)


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
@pytest.mark.parametrize("across", [-40.0, 0.0, 170.0, 340.0, 900.0])
def test_words_stay_inside_the_picture(anchor: str, across: float) -> None:
    plot = Plot(340, 200, (0, 1), (0, 1))
    plot.write(across, 20, "thirteen more", "strong", anchor)
    place = float(re.search(r' x="([-\d.]+)"', plot.marks[0])[1])
    # Chromium draws "60.609 £ Gewinn" in bold 1.05 times as wide as letters are on average.
    width = 1.05 * text_width("thirteen more")
    left = place - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    assert left >= 0 and left + width <= 340


def test_amounts_of_less_than_one_have_no_label_that_says_zero_again() -> None:
    plot = amounts_plot((340, 200), (0, 1), nice_ticks(0.0, 1.0), "{:.0f} £".format)
    assert re.findall(">([^<]*£)<", plot.svg("x")) == ["0 £", "1 £"]


def test_labels_below_do_not_touch() -> None:
    plot = Plot(340, 200, (0, 100), (0, 1))
    plot.below([(value, f"label {value}") for value in range(0, 101, 5)])
    places = [float(place) for place in re.findall(r' x="([-\d.]+)"', "".join(plot.marks))]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert len(places) > 1 and min(gaps) >= text_width("label 5")
