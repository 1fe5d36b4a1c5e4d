"""The leaderboard: on simulated predictions whose true order is known, and against plain loops."""

import json
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

from clvml.evaluation import folds
from clvml.evaluation import leaderboard as lb
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import METRICS, build_leaderboard

MODELS = (
    ModelColumns("A", "a_spend", "a_churn"),
    ModelColumns("B", "b_spend", "b_churn"),
    ModelColumns("twin", "twin_spend", "twin_churn"),
    ModelColumns("trailing 365 days", "zero_spend"),
    ModelColumns("recency rule", churn="b_churn"),
)


def simulate(customers=800, folds=3, seed=0):
    """Spend is Poisson orders times a value. A and its twin know both but for small noise, B hardly."""
    rng = np.random.default_rng(seed)
    rate, value = rng.gamma(0.7, 1.5, customers), rng.lognormal(4, 0.6, customers)
    frames = []
    for fold in range(folds):
        orders = rng.poisson(rate)
        noisy = {name: rate * np.exp(rng.normal(0, s, customers)) for name, s in (("a", 0.1), ("twin", 0.1))}
        noisy["b"] = rate * np.exp(rng.normal(0, 1.2, customers))
        frame = pd.DataFrame(
            {
                "cutoff": pd.Timestamp("2011-01-01") + pd.DateOffset(months=fold),
                "customer_id": [f"c{i}" for i in range(customers)],
                "actual_spend": orders * value,
                "churned": (orders == 0).astype(int),
                "zero_spend": 0.0,
            }
        )
        for name, known in noisy.items():
            frame[f"{name}_spend"] = known * value
            frame[f"{name}_churn"] = np.exp(-known)
        # Not every customer is there at every cutoff.
        frames.append(frame[rng.random(customers) < 0.8])
    return pd.concat(frames, ignore_index=True)


@cache
def board():
    return build_leaderboard(simulate(), MODELS, champion="A", samples=200, seed=1)


def versus(opponent, metric):
    rows = board().versus
    return rows[(rows["opponent"] == opponent) & (rows["metric"] == metric)].iloc[0]


@pytest.mark.parametrize("metric", ["wape", "rmse", "spearman", "gini", "roc_auc", "log_loss", "brier"])
def test_truly_better_model_is_better_and_the_reverse_is_worse(metric):
    row = versus("B", metric)
    assert row["verdict"] == "better"
    assert 0 < row["low"] <= row["difference"] <= row["high"]
    against = build_leaderboard(simulate(), MODELS, champion="B", samples=200, seed=1).versus
    back = against[(against["opponent"] == "A") & (against["metric"] == metric)].iloc[0]
    assert back["verdict"] == "worse"
    assert back[["difference", "low", "high"]].tolist() == pytest.approx(
        (-row[["difference", "high", "low"]]).tolist()
    )


@pytest.mark.parametrize("metric", METRICS)
def test_model_is_not_clearly_different_from_itself(metric):
    frame = simulate()
    models = [ModelColumns("A", "a_spend", "a_churn"), ModelColumns("A again", "a_spend", "a_churn")]
    found = build_leaderboard(frame, models, champion="A", samples=20, seed=1).versus.set_index("metric")
    assert found.loc[metric, "verdict"] == "no clear difference"
    assert found.loc[metric, "difference"] == 0


def test_equally_good_models_are_not_clearly_different():
    assert versus("twin", "wape")["verdict"] == "no clear difference"
    assert versus("twin", "roc_auc")["verdict"] == "no clear difference"


def test_same_order_with_rounding_noise_is_no_clear_difference():
    frame = simulate().assign(other=lambda f: f["a_churn"] ** 1.7)
    models = [ModelColumns("A", churn="a_churn"), ModelColumns("power", churn="other")]
    found = build_leaderboard(frame, models, champion="A", samples=50, seed=1).versus.set_index("metric")
    assert found.loc["roc_auc", "verdict"] == "no clear difference"


def test_folds_are_the_metric_per_cutoff_and_pooled_is_their_mean():
    frame, found = simulate(), board()
    for model in MODELS:
        for name, metric in METRICS.items():
            column, actual = (
                (model.spend, "actual_spend") if name in lb.SPEND_METRICS else (model.churn, "churned")
            )
            own = found.folds[(found.folds["model"] == model.name) & (found.folds["metric"] == name)]
            if column is None:
                assert own.empty
                continue
            expected = [metric.function(f[actual], f[column]) for _, f in frame.groupby("cutoff")]
            assert own["value"].tolist() == pytest.approx(expected, abs=1e-12)
            pooled = found.pooled[(found.pooled["model"] == model.name) & (found.pooled["metric"] == name)]
            assert pooled["value"].item() == pytest.approx(np.mean(expected), abs=1e-12)
            assert pooled["low"].item() <= pooled["high"].item()
    assert found.folds.columns.tolist() == ["model", "cutoff", "metric", "value"]


def test_interval_is_that_of_a_plain_loop_over_drawn_customers():
    frame = simulate(customers=60, folds=2)
    models = [ModelColumns("A", "a_spend"), ModelColumns("B", "b_spend")]
    found = build_leaderboard(frame, models, champion="A", samples=30, seed=7)
    customers = sorted(frame["customer_id"].unique())
    by_customer = dict(list(frame.groupby("customer_id")))
    gains = []
    for sample in range(30):
        drawn = np.random.default_rng((7, sample)).integers(len(customers), size=len(customers))
        rows = pd.concat([by_customer[customers[i]] for i in drawn])
        a, b = (
            [METRICS["gini"].function(f["actual_spend"], f[column]) for _, f in rows.groupby("cutoff")]
            for column in ("a_spend", "b_spend")
        )
        gains.append(np.mean(a) - np.mean(b))
    row = found.versus[found.versus["metric"] == "gini"].iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(gains, [0.025, 0.975]).tolist(), abs=1e-9)


def test_bias_of_opposite_signs_does_not_cancel_in_the_comparison():
    frame = pd.DataFrame(
        {
            "cutoff": [1] * 30 + [2] * 30,
            "customer_id": [*range(30)] * 2,
            "actual_spend": 10.0,
            "swings": [15.0] * 30 + [5.0] * 30,
            "steady": 11.0,
        }
    )
    models = [ModelColumns("steady", "steady"), ModelColumns("swings", "swings")]
    found = build_leaderboard(frame, models, champion="steady", samples=20, seed=0)
    pooled = found.pooled[found.pooled["metric"] == "total_bias"]["value"].tolist()
    assert pooled == pytest.approx([0.1, 0.0])
    row = found.versus[found.versus["metric"] == "total_bias"].iloc[0]
    assert row["champion_value"] == pytest.approx(0.1)
    assert row["opponent_value"] == pytest.approx(0.5)
    assert row["verdict"] == "better"
    assert found.verdicts(["total_bias"]) == [
        "Total money (bias): off by 10.0% against 50.0% for 'swings': better "
        "(95% interval of the gain 40.0% to 40.0%)"
    ]


@pytest.mark.parametrize(("customers", "verdict"), [(29, "no clear difference"), (30, "better")])
def test_too_few_customers_prove_nothing(customers, verdict):
    frame = pd.DataFrame(
        {"cutoff": 1, "customer_id": range(customers), "actual_spend": 10.0, "near": 11.0, "far": 50.0}
    )
    models = [ModelColumns("near", "near"), ModelColumns("far", "far")]
    found = build_leaderboard(frame, models, champion="near", samples=20, seed=0).versus
    assert found.set_index("metric").loc["wape", "verdict"] == verdict


def hand_made(difference, low, high, verdict, several=True):
    opponents = ["trailing 365 days", "zero"] if several else ["trailing 365 days"]
    rows = [
        ("zero", "wape", 0.369, 0.3, 0.4, "better", 0.631, 1.0),
        ("trailing 365 days", "wape", difference, low, high, verdict, 0.631, 0.631 + difference),
    ]
    return lb.Leaderboard(
        champion="clvml",
        models=("clvml", *opponents),
        folds=pd.DataFrame(columns=["model", "cutoff", "metric", "value"]),
        pooled=pd.DataFrame(columns=["model", "metric", "value", "low", "high"]),
        versus=pd.DataFrame(rows if several else rows[1:], columns=lb._Comparison._fields),
        samples=500,
        seed=0,
    )


def test_verdict_sentences_whole():
    assert hand_made(0.007, -0.004, 0.018, "no clear difference").verdicts() == [
        "Spend error (WAPE): 0.631 against 0.638 for 'trailing 365 days', the best of the others: "
        "no clear difference (95% interval of the gain -0.004 to 0.018)"
    ]
    assert hand_made(0.02, 0.01, 0.03, "better").verdicts(["wape"]) == [
        "Spend error (WAPE): 0.631 against 0.651 for 'trailing 365 days', the best of the others: "
        "better (95% interval of the gain 0.010 to 0.030)"
    ]
    assert hand_made(-0.02, -0.03, -0.01, "worse", several=False).verdicts() == [
        "Spend error (WAPE): 0.631 against 0.611 for 'trailing 365 days': "
        "worse (95% interval of the gain -0.030 to -0.010)"
    ]


def test_best_other_is_the_one_with_the_least_gain_per_metric():
    best = board().best_others().set_index("metric")
    assert best.index.tolist() == list(METRICS)
    assert best.loc["wape", "opponent"] == "twin"
    for metric, row in best.iterrows():
        rows = board().versus[board().versus["metric"] == metric]
        assert row["difference"] == rows["difference"].min()


def test_table_is_text_best_first():
    table = board().table(["wape", "roc_auc"])
    assert table.columns.tolist() == ["Spend error (WAPE)", "Finding churners (AUC)"]
    assert set(table.index[:2]) == {"A", "twin"}
    assert table.index[-1] == "recency rule"
    assert table.loc["recency rule", "Spend error (WAPE)"] == "-"
    assert table.loc["trailing 365 days"].tolist() == ["1.000", "-"]
    assert board().table().shape == (5, 14)


def test_to_dict_is_json():
    whole = json.loads(json.dumps(board().to_dict(), allow_nan=False))
    assert whole["champion"] == "A"
    assert whole["folds"][0]["cutoff"] == "2011-01-01T00:00:00"
    assert whole["metrics"]["wape"]["better"] == "lower"
    assert len(whole["verdicts"]) == 14


def test_same_seed_same_bytes_in_any_row_order():
    frame = simulate(customers=200)
    before = frame.copy()
    found = build_leaderboard(frame, MODELS, "A", samples=25, seed=3).to_dict()
    pd.testing.assert_frame_equal(frame, before)
    shuffled = frame.sample(frac=1, random_state=0)
    assert build_leaderboard(shuffled, MODELS, "A", samples=25, seed=3).to_dict() == found
    assert build_leaderboard(frame, MODELS, "A", samples=25, seed=4).to_dict() != found


def test_draws_do_not_depend_on_the_block_size(monkeypatch):
    frame = simulate(customers=200)
    found = build_leaderboard(frame, MODELS, "A", samples=25, seed=3)
    monkeypatch.setattr(folds, "BLOCK", 3)
    again = build_leaderboard(frame, MODELS, "A", samples=25, seed=3)
    pd.testing.assert_frame_equal(again.pooled, found.pooled, rtol=1e-12)


def test_undefined_folds_are_left_out_and_nothing_defined_is_none():
    frame = simulate(customers=50, folds=2)
    first = frame["cutoff"] == frame["cutoff"].min()
    half = frame.assign(actual_spend=frame["actual_spend"].where(~first, 0.0))
    found = build_leaderboard(half, MODELS[:2], "A", samples=10, seed=0)
    wape = found.folds[(found.folds["model"] == "A") & (found.folds["metric"] == "wape")]["value"].tolist()
    assert np.isnan(wape[0])
    pooled = found.pooled.set_index(["model", "metric"])["value"]
    assert pooled["A", "wape"] == wape[1]
    nothing = build_leaderboard(frame.assign(churned=1), MODELS[:2], "A", samples=10, seed=0)
    assert nothing.verdicts(["roc_auc"]) == [
        "Finding churners (AUC): undefined here (nobody spent, or all customers did the same)"
    ]
    row = nothing.versus[nothing.versus["metric"] == "roc_auc"].iloc[0]
    assert row["verdict"] == "no clear difference"
    kept = [r for r in nothing.to_dict()["pooled"] if r["metric"] == "roc_auc"]
    assert [r["value"] for r in kept] == [None, None]
    assert nothing.table(["roc_auc"]).iloc[:, 0].tolist() == ["-", "-"]


def test_one_customer_and_one_model():
    frame = simulate(customers=1, folds=1, seed=3).head(1)
    found = build_leaderboard(frame, MODELS[:1], "A", samples=5, seed=0)
    assert len(found.pooled) == 14
    assert found.versus.empty
    assert found.verdicts() == []
    assert found.best_others().empty
    assert found.to_dict()["verdicts"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"champion": "a"},
            "champion 'a' is not one of ['A', 'B', 'twin', 'trailing 365 days', 'recency rule']",
        ),
        ({"samples": 0}, "samples must be at least 1 and seed not negative (currently samples=0, seed=0)"),
        ({"models": [*MODELS, MODELS[0]]}, "each model needs a name of its own: ['A'] come more than once"),
        ({"models": [ModelColumns("A")]}, "models without any column: ['A']; give spend, churn or both"),
        (
            {"models": [ModelColumns("A", "a_spnd")]},
            "predictions lack the columns ['a_spnd'] (did you mean 'a_spend'?); they have",
        ),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    given = {"predictions": simulate(20), "models": MODELS, "champion": "A", "samples": 5, "seed": 0} | change
    with pytest.raises(ValueError, match=re.escape(message)):
        build_leaderboard(**given)


def test_wrong_rows_are_refused():
    frame = simulate(20)

    def refused(wrong, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            build_leaderboard(wrong, MODELS, "A", samples=5, seed=0)

    refused(frame.head(0), "predictions have no rows")
    refused(
        pd.concat([frame, frame.head(2)]),
        "one row per cutoff and customer_id is needed: 2 rows repeat one, such as customer "
        f"{frame['customer_id'][0]} at 2011-01-01 00:00:00; drop the duplicates",
    )
    refused(frame.assign(customer_id=None), f"cutoff or customer_id is missing in {len(frame)} rows")
    refused(frame.assign(a_spend=np.nan), "a_spend has")
    refused(frame.assign(b_churn=2.0), "b_churn must lie between 0 and 1")
    refused(frame.assign(churned=-1), "churned must be 0 or 1")
    with pytest.raises(
        ValueError, match=re.escape("not measured: ['wap'] (did you mean 'wape'?); there are")
    ):
        board().table(["wap"])
