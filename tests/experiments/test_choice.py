"""The comparison on predictions whose order is known."""

import numpy as np
import pandas as pd
import pytest

from clvml.experiments.choice import answer, compare, value_label, value_text, values


def predictions(noise, last_noise=None, baseline=False):
    """Predictions of 400 customers at three dates, off by as much as the noise says."""
    frames = []
    for fold in range(3):
        draw = np.random.default_rng(fold)
        spend = draw.gamma(1.0, 50.0, 400) * (draw.random(400) < 0.5)
        scale = last_noise if fold == 2 and last_noise is not None else noise
        frame = pd.DataFrame(
            {
                "cutoff": pd.Timestamp("2024-01-01") + pd.DateOffset(months=fold),
                "customer_id": [f"c{n}" for n in range(400)],
                "actual_spend": spend,
                "churned": (spend == 0).astype(int),
                "spend/clvml": (spend + 5) * np.exp(draw.normal(0, scale, 400)),
                "churn/clvml": 0.5,
            }
        )
        frames.append(frame.assign(**{"spend/zero": 0.0}) if baseline else frame)
    return pd.concat(frames, ignore_index=True)


def compared(metric="wape", **noises):
    frames = {name: predictions(*np.atleast_1d(noise)) for name, noise in noises.items()}
    return compare(frames, next(iter(frames)), metric, 100, 0)


def test_the_best_is_chosen_on_the_earlier_dates_alone():
    found = compared(base=0.5, late=(0.9, 0.0), early=(0.1, 2.0))
    assert found.ranked() == ["early", "base", "late"]
    earlier, last = found.gains(found.earlier), found.gains(found.last)
    assert (earlier["early"].verdict, last["early"].verdict) == ("better", "worse")
    assert (earlier["late"].verdict, last["late"].verdict) == ("worse", "better")
    for gain in (*earlier.values(), *last.values()):
        assert gain.low < gain.gain < gain.high
    assert answer(found).startswith("'early' is better than 'base' on the dates used for choosing (WAPE ")
    assert "; there, it is worse (gain -" in answer(found)


def test_a_base_that_is_best_stays():
    found = compared(base=0.1, worse=0.9, worst=2.0)
    assert found.best == "base"
    assert answer(found).startswith(
        "No variant is better than 'base' on the dates used for choosing (WAPE 0."
    )
    assert "the nearest, 'worse', has" in answer(found)
    assert answer(found).endswith("2 of 2 are clearly worse.")


def test_equal_predictions_are_no_difference():
    found = compared(base=0.5, twin=0.5)
    assert found.gains(found.earlier)["twin"].verdict == "no clear difference"
    assert found.best == "base"


def test_a_bias_counts_by_its_size():
    found = compared("total_bias", base=0.8, small=0.1)
    assert found.best == "small"
    assert found.gains(found.earlier)["small"].gain > 0


def test_a_bias_up_and_down_does_not_read_as_none():
    swinging, steady = predictions(0.0), predictions(0.0)
    swinging["spend/clvml"] = swinging["actual_spend"] * np.where(swinging["cutoff"].dt.month == 1, 1.3, 0.7)
    steady["spend/clvml"] = 0.9 * steady["actual_spend"]
    found = compare({"swinging": swinging, "steady": steady}, "swinging", "total_bias", 100, 0)
    shown = values(found.earlier)
    assert shown["swinging", "total_bias"] == pytest.approx(0.3)
    gain = found.gains(found.earlier)["steady"].gain
    assert gain == pytest.approx(shown["swinging", "total_bias"] - shown["steady", "total_bias"])
    assert value_label(found.earlier, "total_bias") == "size of bias"
    assert value_text(found.earlier, "total_bias", 0.3) == "30.0%"
    # At one date, the sign says more and hides nothing.
    assert value_label(found.last, "total_bias") == "bias"
    assert value_text(found.last, "total_bias", values(found.last)["steady", "total_bias"]) == "-10.0%"


def test_other_labels_stand_apart_and_the_order_of_rows_does_not_matter():
    frames = {
        "base": predictions(0.5, baseline=True),
        "shuffled": predictions(0.1).sample(frac=1, random_state=1),
    }
    frames["other"] = predictions(0.1).assign(actual_spend=1.0)
    found = compare(frames, "base", "wape", 100, 0)
    assert found.apart == ("other",)
    assert found.earlier.models == ("base", "shuffled")
    straight = compare({**frames, "shuffled": predictions(0.1)}, "base", "wape", 100, 0)
    pd.testing.assert_frame_equal(straight.earlier.versus, found.earlier.versus)
    assert found.baselines["last"]["zero", "wape"] == 1.0
    assert answer(compare({"base": frames["base"]}, "base", "wape", 100, 0)) == (
        "Nothing could be compared with 'base'."
    )
