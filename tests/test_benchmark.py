"""The headline figures of the benchmark hold, and what compares them can fail."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import lognorm

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def headline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    # Nothing of an earlier run is taken for the figures of now.
    monkeypatch.setattr(importlib.import_module("accuracy"), "CACHE", tmp_path)
    return importlib.import_module("headline")


def test_headline_figures_are_within_their_recorded_intervals(headline: ModuleType) -> None:
    recorded = json.loads(headline.RECORD.read_text(encoding="utf-8"))
    assert headline.worse(headline.measured(), recorded) == []


def test_worse_names_each_figure_outside_its_interval(headline: ModuleType) -> None:
    recorded = json.loads(headline.RECORD.read_text(encoding="utf-8"))
    now = json.loads(headline.RECORD.read_text(encoding="utf-8"))
    case = now["online_retail, 180 days"]
    case["wape"]["value"] = case["wape"]["high"] + 0.01
    case["roc_auc"]["value"] = case["roc_auc"]["low"] - 0.01
    case["total_bias"]["value"] = -2.0
    case["brier"]["gain"] = case["brier"]["gain_low"] - 0.01
    found = headline.worse(now, recorded)
    assert [text.split(" is ")[0] for text in found] == [
        "online_retail, 180 days: wape",
        "online_retail, 180 days: total_bias",
        "online_retail, 180 days: roc_auc",
        "online_retail, 180 days: gain in brier over 'RFM cell'",
    ]


def test_coverage_counts_the_customers_inside(headline: ModuleType) -> None:
    measures = importlib.import_module("measures")
    frame = pd.DataFrame(
        {
            "cutoff": pd.Timestamp("2024-01-01"),
            "actual_spend": [-5.0, 0.0, 10.0, 99.0],
            "clvml low": 0.0,
            "clvml high": 20.0,
            "purchase_days": [1, 1, 2, 3],
            "clvml spend": [1.0, 2.0, 3.0, 4.0],
        }
    )
    covered = measures.coverage(frame, "clvml")
    assert covered["overall"] == 0.75
    assert covered["one-time buyers"] == 1.0
    assert covered["top tenth"] == covered["lowest tenth"] == 0.0
    # 20 wide, and 79 of the four customers' money outside: 20 + 10 * 79 / 4.
    assert measures.interval_score(frame, "clvml") == (217.5, 0.75)


def peer_module(name: str) -> ModuleType:
    """Return a module of the peers; importing it needs none of their packages."""
    sys.path.insert(0, str(BENCHMARKS / "peers"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS / "peers"))


def result(log: str, group: str, scores: dict[str, dict[str, float]], **versus: dict[str, float]) -> dict:
    """Return a group of one date as `accuracy.measure` does: scores by model and metric, gains over rivals."""
    pooled = [
        {"model": model, "metric": metric, "value": value}
        for model, own in scores.items()
        for metric, value in own.items()
    ]
    return {
        "group": {"data_set": log},
        "name": group,
        "constant": {"rmse": 10.0, "log_loss": 0.5, "brier": 0.2},
        "interval_scores": {},
        "board": {
            "champion": "clvml",
            "pooled": pooled,
            "folds": pooled,
            "versus": [
                {"opponent": rival.replace("_", " "), "metric": "rmse", "champion_value": 5.0}
                | {"opponent_value": 5.0 + gain["difference"], **gain}
                for rival, gain in versus.items()
            ],
        },
    }


def test_a_difference_is_clear_after_holms_correction_over_the_rivals(headline: ModuleType) -> None:
    league = importlib.import_module("league")
    sure = {"difference": 1.0, "low": 0.7, "high": 1.3}
    hardly = {"difference": -1.0, "low": -1.9, "high": -0.1}

    def verdicts(**versus: dict[str, float]) -> dict[str, str]:
        found = league.comparisons(result("shop", "shop, 30 days", {}, **versus), "clvml", ["rmse"])
        return {one.rival: one.verdict for one in found}

    assert verdicts(hardly=hardly) == {"hardly": "worse"}
    # p = .03: enough alone, and behind one that is surer, but not as the first of two that are left.
    assert verdicts(sure=sure, hardly=hardly) == {"sure": "better", "hardly": "worse"}
    assert verdicts(sure=sure, hardly=hardly, too=hardly) == {
        "sure": "better",
        "hardly": "no clear difference",
        "too": "no clear difference",
    }


def test_rivals_that_predict_the_same_are_level(headline: ModuleType) -> None:
    league = importlib.import_module("league")
    same = result("shop", "shop, 30 days", {}, twin={"difference": 1e-15, "low": 0.0, "high": 1e-15})
    assert [one.verdict for one in league.comparisons(same, "clvml", ["rmse"])] == ["no clear difference"]


def test_league_counts_each_log_the_same_and_ranks_the_missing_last(headline: ModuleType) -> None:
    league = importlib.import_module("league")
    results = [
        result("a", "a, 30 days", {"clvml": {"rmse": 5.0}, "rule": {"rmse": 6.0}, "plain": {"rmse": 7.0}}),
        result("a", "a, 90 days", {"clvml": {"rmse": 5.0}, "rule": {"rmse": 4.0}}),
        result("b", "b, 30 days", {"clvml": {"rmse": 5.0}, "rule": {"rmse": 2.0}, "plain": {"rmse": 8.0}}),
    ]
    found = league.league(results, ["clvml", "rule", "plain"]).set_index("model")
    assert found["rank"].to_dict() == {"clvml": 1.75, "rule": 1.25, "plain": 3.0}
    assert found["skill"].round(9).to_dict() == {"clvml": 0.5, "rule": 0.65, "plain": 0.175}


def test_skill_is_0_for_the_best_constant_and_1_for_a_perfect_forecast(headline: ModuleType) -> None:
    league = importlib.import_module("league")
    constant = {"rmse": 10.0, "gini": 0.0, "total_bias": 0.0, "roc_auc": 0.5, "log_loss": 0.5, "brier": 0.2}
    perfect = {"rmse": 0.0, "gini": 1.0, "total_bias": 1.0, "roc_auc": 1.0, "log_loss": 0.0, "brier": 0.0}
    values = league.group_values(result("shop", "shop, 30 days", {"constant": constant, "perfect": perfect}))
    assert set(values["constant"].values()) == {0.0}
    # The total has no skill but the distance: twice too much is log 2.
    assert values["perfect"].pop("total_bias") == pytest.approx(np.log(2))
    assert set(values["perfect"].values()) == {1.0}


def test_the_page_says_what_is_clear_and_lists_each_loss(headline: ModuleType) -> None:
    league, report = importlib.import_module("league"), importlib.import_module("report")
    lost = {"difference": -1.0, "low": -1.2, "high": -0.8}
    one = result("shop", "shop, 30 days", {"clvml": {"rmse": 5.0}, "rule": {"rmse": 4.0}}, rule=lost)
    one |= {"failures": {}}
    one["board"]["models"] = ["clvml", "rule"]
    found = league.comparisons(one, "clvml", ["rmse"])
    text = report.leagues([one], found)
    assert "clearly better in 0, level in 0" in text
    assert "clearly worse in 1 (100.0 %)" in text
    assert "| rule | 1.0 (0.600) |" in text
    assert "| shop, 30 days | Large errors (RMSE) | 5.00 | 4.00 | rule | -1.20 to -0.80 |" in report.losses(
        [one], found
    )


def test_ablation_shows_the_change_of_skill_over_logs(headline: ModuleType) -> None:
    ablation = importlib.import_module("ablation")
    rows = [
        {"log": log, "cutoff": 1, "horizon_days": 30, "part": part, **dict.fromkeys(ablation.HEADS, skill)}
        for log, whole in (("a", 0.5), ("b", 0.6))
        for part, skill in (
            (ablation.AS_CONFIGURED, whole),
            ("anchor", whole - (0.01 if log == "a" else 0.03)),
        )
    ]
    text = ablation.changes(pd.DataFrame(rows))
    assert "| anchor | -2.0 ± 1.0 |" in text
    assert "2 logs (2 dates)" in text


def test_simulated_logs_are_the_same_each_time(headline: ModuleType) -> None:
    simulator = importlib.import_module("simulated")
    for kind in simulator.KINDS.values():
        one, two = ([*kind(3.0, np.random.default_rng(1))] for _ in range(2))
        assert one
        assert one == two
        assert all(day >= 3.0 and amount > 0 for day, amount in one)


def test_every_rival_is_made_by_the_modules_that_its_key_names(headline: ModuleType) -> None:
    rivals, run = importlib.import_module("rivals"), peer_module("run")
    made = {**run.PARAMETRIC, **run.BOOSTED}
    assert made.keys() == rivals.PEERS.keys()
    assert {name for name, peer in rivals.PEERS.items() if peer.learns} == run.BOOSTED.keys()
    for name, peer in rivals.PEERS.items():
        assert f"{made[name].__module__}.py" == peer.modules[0]
        assert all(peer.texts())


def test_slopes_are_those_of_the_zero_inflated_lognormal_loss(headline: ModuleType) -> None:
    ziln = peer_module("ziln")
    rng = np.random.default_rng(0)
    spend = np.where(rng.random(50) < 0.5, 0.0, rng.lognormal(3.0, 1.0, 50))
    outputs = rng.normal((0.0, 3.0, 0.0), size=(50, 3))
    p, mu, sigma = 1 / (1 + np.exp(-outputs[:, 0])), outputs[:, 1], np.exp(outputs[:, 2])
    bought = spend > 0
    amount = lognorm.logpdf(spend[bought], sigma[bought], scale=np.exp(mu[bought]))
    constant = np.log(spend[bought]) + np.log(2 * np.pi) / 2
    expected = -np.log(np.where(bought, p, 1 - p))
    expected[bought] -= amount + constant
    np.testing.assert_allclose(ziln._loss(outputs, spend), expected)

    slopes, curvatures = ziln._slopes(outputs, SimpleNamespace(get_label=lambda: spend))
    assert (curvatures >= 0).all()
    for column in range(3):
        step = np.eye(3)[column] * 1e-6
        change = ziln._loss(outputs + step, spend) - ziln._loss(outputs - step, spend)
        np.testing.assert_allclose(slopes[:, column], change / 2e-6, rtol=1e-4, atol=1e-7)


def test_the_zero_inflated_lognormal_forecast_is_its_mean_and_quantiles(headline: ModuleType) -> None:
    made = peer_module("ziln")._forecast(np.array([[np.log(3.0), 1.0, np.log(0.5)], [-9.0, 1.0, 0.0]]))
    drawn = np.exp(np.random.default_rng(0).normal(1.0, 0.5, 200_000))
    drawn[:50_000] = 0.0
    assert made["churn"][0] == pytest.approx(0.25)
    assert made["spend"][0] == pytest.approx(drawn.mean(), rel=0.01)
    assert made["low"].tolist() == [0.0, 0.0]
    assert made["high"][0] == pytest.approx(np.quantile(drawn, 0.9), rel=0.01)
    assert made["high"][1] == 0.0
