"""Plots: drawn by shap of the right numbers, no text cut off or colliding, and no state left behind."""

import itertools

import matplotlib._pylab_helpers
import numpy as np
import pandas as pd
import pytest

from clvml.customers import FEATURES
from clvml.explain import Explanation
from clvml.explain.driver_plots import MOST_ROWS, plot_drivers_bar, plot_drivers_beeswarm

PLOTS = [plot_drivers_bar, plot_drivers_beeswarm]


@pytest.fixture(scope="session")
def explained(example):
    return Explanation(example.features, example.feature_list, example.contributions)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.mark.parametrize("plot", PLOTS)
def test_the_title_says_the_finding_and_the_ticks_describe(explained, plot):
    figure = plot(explained, top=5)
    finding = explained.sentences()[0].rstrip(".")
    assert figure.get_suptitle().replace("\n", " ") == finding
    strongest = explained.drivers()["description"].head(5).str.split("[;:]", regex=True).str[0]
    ticks = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert list(dict.fromkeys(ticks)) == list(strongest if plot is plot_drivers_bar else strongest[::-1])


def test_bars_are_the_mean_absolute_values(explained):
    figure = plot_drivers_bar(explained, top=5)
    expected = explained.drivers()["mean_abs_shap"].head(5)
    np.testing.assert_allclose([bar.get_width() for bar in figure.axes[0].patches], expected)
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{value:.2f}" for value in expected]


def test_the_beeswarm_draws_every_customer_or_a_sample(explained):
    def dots(given):
        return sum(
            len(path.get_offsets()) for path in plot_drivers_beeswarm(given, top=1).axes[0].collections
        )

    assert dots(explained) == len(explained.features)
    more = pd.concat([explained.features] * 3, ignore_index=True)
    three = Explanation(more, explained.known, np.tile(explained.contributions, (3, 1)))
    assert dots(three) == MOST_ROWS < len(more)


@pytest.mark.parametrize("plot", PLOTS)
def test_text_is_inside_and_does_not_collide(explained, plot):
    figure = plot(explained)
    figure.canvas.draw()
    axes = figure.axes[0]
    labels = [label for label in axes.get_yticklabels() if label.get_text()]
    boxes = list({label.get_text(): label.get_window_extent() for label in labels}.values())
    boxes += [figure._suptitle.get_window_extent(), axes.xaxis.label.get_window_extent()]
    boxes += [text.get_window_extent() for text in axes.texts]
    boxes.append(axes._left_title.get_window_extent())
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("plot", PLOTS)
def test_same_input_same_pixels_and_no_state_left(explained, plot):
    np.random.seed(5)  # noqa: NPY002
    first = pixels(plot(explained))
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert drawn == np.random.random()  # noqa: NPY002
    np.testing.assert_array_equal(first, pixels(plot(explained)))
    assert not matplotlib._pylab_helpers.Gcf.figs


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("rows", [1, 2, 50])
def test_odd_columns_are_drawn(plot, rows):
    chosen = [feature for feature in FEATURES if feature.group == "rhythm"]
    frame = pd.DataFrame({feature.name: np.ones(rows) for feature in chosen})
    frame["gap_std"] = np.nan
    frame.loc[: rows // 2, "gap_max"] = np.nan
    phi = np.zeros((rows, len(chosen) + 1))
    phi[:, 0] = 0.1
    assert pixels(plot(Explanation(frame, chosen, phi))).std() > 0
    assert plot(Explanation(frame, chosen, np.zeros_like(phi))).get_suptitle().startswith("Nothing known")
