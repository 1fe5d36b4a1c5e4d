"""A small training record, a stand-in for the scorer, and a store that need not be created for every test."""

import base64
import json
import shutil
import sys
import zlib
from datetime import date
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from clvml.config import parse_config
from clvml.evaluation.leaderboard import METRICS
from clvml.tracking import promotion
from clvml.tracking.record import TrainingRecord

CONFIG = {
    "data": {
        "source": "postgresql://ann:hunter2@db/shop?table=orders",
        "columns": {"customer_id": "who", "order_date": "day", "amount": "sum", "order_id": "invoice"},
        "currency": "GBP",
    },
    "windows": {"horizon_days": 180},
    "tracking": {"experiment": "online-retail", "registered_model": "clvml"},
}
FOLDS = [
    ("clvml", "2011-03-01", "wape", 0.70),
    ("clvml", "2011-06-01", "wape", 0.60),
    ("clvml", "2011-03-01", "roc_auc", 0.80),
    ("clvml", "2011-06-01", "roc_auc", 0.82),
    ("pro rata", "2011-03-01", "wape", 0.75),
    ("pro rata", "2011-06-01", "wape", 0.65),
]


def out_of_time(spend_noise, churn_noise=1.0, customers=150, seed=0, dates=("2011-03-01", "2011-06-01")):
    """Return `predictions` and `metrics` of a record: the same customers for the same arguments but the noise."""
    draw = np.random.default_rng(seed)
    rows = len(dates) * customers
    alive = draw.random(rows) < 0.6
    actual = np.where(alive, draw.lognormal(3.5, 0.8, rows), 0.0).round(2)
    blur, doubt = draw.normal(size=(2, rows))
    table = pd.DataFrame(
        {
            "cutoff": pd.to_datetime(np.repeat(dates, customers)),
            "customer_id": [f"C{number:03}" for number in range(customers)] * len(dates),
            "actual_spend": actual,
            "churned": (~alive).astype(int),
            "spend": (actual + 10) * np.exp(spend_noise * blur),
            "p_churn": 1 / (1 + np.exp(np.where(alive, 1.0, -1.0) + churn_noise * doubt)),
        }
    )
    found = {
        name: metric.function(table["actual_spend"], table["spend"])
        for name, metric in METRICS.items()
        if name in ("wape", "rmse", "spearman", "gini")
    }
    found["log_loss"] = METRICS["log_loss"].function(table["churned"], table["p_churn"])
    return {"predictions": table, "metrics": found}


def view_state(tag):
    """Return what a saved view of MLflow's page shows."""
    packed = json.loads(tag)["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


@pytest.fixture
def uri(tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def scored(monkeypatch):
    """Stand in for the scorer, and return the list of what it was called with."""
    calls = []

    class Scorer:
        @staticmethod
        def load(directory, run_id):
            return json.loads((directory / "model.json").read_text()) | {"run_id": run_id}

    def pyfunc_predict(model, frame, as_of):
        calls.append((model, frame, as_of))
        spend = frame.groupby("who", as_index=False)["sum"].sum().rename(columns={"who": "customer_id"})
        return spend.assign(expected_spend=spend["sum"] * model["factor"], as_of=str(as_of))

    for name, held in (("scorer", Scorer), ("serving", pyfunc_predict)):
        module = ModuleType(f"clvml.scores.{name}")
        setattr(module, held.__name__, held)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(promotion, "load_scorer", lambda directory: Scorer.load(directory, ""))
    return calls


@pytest.fixture
def make_record(tmp_path):
    """Return a function that gives a training record; keywords replace its fields."""

    def make(**fields):
        directory = tmp_path / "saved by the trainer"
        if not directory.exists():
            directory.mkdir()
            (directory / "model.json").write_text('{"factor": 2}')
            (directory / "spend.json").write_bytes(b"{U\x01aU\x01}")
        log = pd.DataFrame(
            {
                "who": [12345, 12345, 777],
                "day": pd.to_datetime(["2011-01-05 10:00", "2011-02-06 11:30", "2011-02-07 12:00"]),
                "sum": [10, 20, 5],
                "invoice": ["A1", "A2", None],
            }
        )
        defaults = {
            "config": parse_config(CONFIG),
            "as_of": date(2011, 12, 10),
            "horizon_days": 180,
            "fingerprint": "f1e2" * 16,
            "quality": {"rows_in": 110, "rows_out": 100, "customers": 7, "first_day": "2010-01-01"},
            "quality_text": "100 of 110 rows kept",
            "metrics": {"wape": 0.65, "total_bias": -0.02, "roc_auc": 0.81, "coverage": float("nan")},
            "fold_metrics": pd.DataFrame(FOLDS, columns=["model", "cutoff", "metric", "value"]).astype(
                {"cutoff": "datetime64[us]"}
            ),
            "leaderboard": pd.DataFrame(
                {"Spend error (WAPE)": ["0.650", "0.700"], "Finding churners (AUC)": ["0.810", "-"]},
                index=pd.Index(["clvml", "pro rata"], name="model"),
            ),
            "verdicts": ["Spend error: clvml is better than pro rata."],
            "figures": {"calibration": b"\x89PNG 1", "gains": b"\x89PNG 2"},
            "drivers": pd.DataFrame({"feature": ["frequency"], "effect": [1.5]}),
            "model_directory": directory,
            "signature_example": log,
            "notes": ["The season is learnt from one year."],
        }
        return TrainingRecord(**{**defaults, **fields})

    return make


@pytest.fixture
def record(make_record):
    return make_record()
