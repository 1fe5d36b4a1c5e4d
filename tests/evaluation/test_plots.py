"""Plots: what they say, that it is said of the right numbers, and that no text is cut off or collides."""

import itertools
import re
import sys

import numpy as np
import pandas as pd
import pytest

from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import build_leaderboard
from clvml.evaluation.plots import plot_churn_calibration, plot_gains, plot_leaderboard, plot_spend_deciles


def example(size=1000):
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.7, 1.5, size)
    orders = rng.poisson(rate)
    return rate, orders * 50.0, (orders == 0).astype(float)


def leaderboard():
    rate, spend, churned = example(300)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "cutoff": 1,
            "customer_id": range(300),
            "actual_spend": spend,
            "churned": churned,
            "good": rate * 50,
            "bad": rng.permutation(rate) * 50,
            "p": np.exp(-rate),
        }
    )
    models = [
        ModelColumns("clvml", "good", "p"),
        ModelColumns("the same", "good"),
        ModelColumns("shuffled, under a name that is much too long for an axis", "bad"),
    ]
    return build_leaderboard(frame, models, "clvml", samples=100, seed=0)


def figures():
    rate, spend, churned = example()
    board = leaderboard()
    return {
        "calibration": plot_churn_calibration(churned, np.exp(-rate)),
        "deciles": plot_spend_deciles(spend, rate * 40, "GBP"),
        "gains": plot_gains(spend, {"clvml": rate, "zero": np.zeros(1000)}, "clvml"),
        "wape": plot_leaderboard(board, "wape"),
        "bias": plot_leaderboard(board, "total_bias"),
        "one model": plot_leaderboard(board, "roc_auc"),
    }


def title(figure):
    return figure.axes[0].get_title(loc="left").replace("\n", " ")


def test_titles_state_the_finding_and_axes_their_units():
    drawn = figures()
    assert re.fullmatch(
        r"Predicted churn is \d points? off what happened, on average", title(drawn["calibration"])
    )
    assert re.fullmatch(r"The predicted total is \d\d\.\d% too low", title(drawn["deciles"]))
    assert drawn["deciles"].axes[0].get_ylabel() == "spend per customer [GBP]"
    assert re.fullmatch(
        r"The top 20% of customers by prediction bring \d\d% of the money", title(drawn["gains"])
    )
    assert title(drawn["wape"]) == "clvml is level with the best other, the same"
    assert drawn["wape"].axes[0].get_xlabel() == "Spend error (WAPE): further left is better"
    assert title(drawn["one model"]) == "Finding churners (AUC)"


def test_text_stays_inside_and_axis_labels_do_not_overlap():
    for name, figure in figures().items():
        figure.canvas.draw()
        width, height = figure.canvas.get_width_height()
        assert width == 900, name
        for axes in figure.axes:
            texts = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
            for text in texts:
                box = text.get_window_extent()
                if text.get_text():
                    assert box.x0 >= -1, (name, text)
                    assert box.x1 <= width + 1, (name, text)
                    assert box.y0 >= -1, (name, text)
                    assert box.y1 <= height + 1, (name, text)
            ticks = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
            assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks)), name


def test_deciles_show_the_means():
    actual = np.repeat(np.arange(10.0), 5)
    figure = plot_spend_deciles(actual, actual * 2)
    bars = [bar.get_height() for bar in figure.axes[0].patches]
    assert bars == pytest.approx([*(2 * np.arange(10.0)), *np.arange(10.0)])
    assert title(figure) == "The predicted total is 100.0% too high"
    assert title(plot_spend_deciles(actual, actual)) == "The predicted total is right"
    assert title(plot_spend_deciles(actual * 0, actual)) == "Nobody spent money on balance"


def test_gains_start_and_end_at_the_corners_and_constant_predictions_are_the_diagonal():
    _, spend, _ = example(50)
    figure = plot_gains(spend, {"ours": spend, "constant": np.ones(50)}, "ours")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["constant"].get_xydata().tolist() == [[0, 0], [1, 1]]
    ours = lines["ours"].get_xydata()
    assert ours[0].tolist() == [0, 0]
    assert ours[-1].tolist() == [1, 1]
    assert (np.diff(ours, axis=0) >= -1e-12).all()


def test_calibration_points_are_the_groups():
    figure = plot_churn_calibration([1] * 5 + [0] * 5 + [1] * 10, [0.5] * 10 + [1.0] * 10)
    # The second line, after the dashed one: ten groups of two customers, five in either tie.
    points = figure.axes[0].lines[1].get_xydata()
    assert points[:, 0] == pytest.approx([0.5] * 5 + [1.0] * 5)
    assert points[:, 1] == pytest.approx([0.5] * 5 + [1.0] * 5)
    assert title(figure) == "Predicted churn is 0 points off what happened, on average"


def test_one_customer_can_be_drawn():
    plot_churn_calibration([1.0], [0.7]).canvas.draw()
    plot_spend_deciles([1.0], [0.7]).canvas.draw()
    plot_gains([1.0], {"ours": [0.7]}, "ours").canvas.draw()


def test_pyplot_is_not_touched():
    figures()
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_notebook_shows_a_picture():
    assert plot_gains([1.0], {"ours": [0.7]}, "ours")._repr_png_().startswith(b"\x89PNG")


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=re.escape("champion 'x' is not one of ['ours']")):
        plot_gains([1.0], {"ours": [1.0]}, "x")
    with pytest.raises(ValueError, match="the total of actual must be positive to be shared out"):
        plot_gains([0.0], {"ours": [1.0]}, "ours")
    with pytest.raises(ValueError, match="metric 'wap' was not measured, or is undefined here; there are"):
        plot_leaderboard(leaderboard(), "wap")
    with pytest.raises(ValueError, match="p_churn must lie between 0 and 1"):
        plot_churn_calibration([0.0], [2.0])
