"""The headline figures of the benchmark hold, and what compares them can fail."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

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
    accuracy = importlib.import_module("accuracy")
    frame = pd.DataFrame(
        {
            "cutoff": pd.Timestamp("2024-01-01"),
            "actual_spend": [-5.0, 0.0, 10.0, 99.0],
            "low": 0.0,
            "high": 20.0,
            "purchase_days": [1, 1, 2, 3],
            "clvml spend": [1.0, 2.0, 3.0, 4.0],
        }
    )
    covered = accuracy.coverage(frame)
    assert covered["overall"] == 0.75
    assert covered["one-time buyers"] == 1.0
    assert covered["top tenth"] == covered["lowest tenth"] == 0.0
