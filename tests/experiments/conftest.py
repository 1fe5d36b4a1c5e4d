"""A small shop, experiment files on it, and a stand-in for the training."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from clvml.experiments import runner

CONFIG = {
    "data": {
        "source": "orders.csv",
        "columns": {"customer_id": "customer", "order_date": "day", "amount": "amount"},
    },
    "windows": {"horizon_days": 60},
    "model": {"n_estimators": 10},
    "evaluation": {"bootstrap_samples": 100},
    "tracking": {"experiment": "shop"},
}
TWO = {"as it is": None, "deep": {"model.max_depth": 6}}


@pytest.fixture
def folder(tmp_path, monkeypatch, empty_store):
    """Return the current folder, with a log of 80 customers over 500 days, its configuration and a store."""
    rng = np.random.default_rng(0)
    who = rng.integers(80, size=900)
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(500, size=900), unit="D")
    lines = pd.DataFrame({"customer": [f"c{n:02}" for n in who], "day": days, "amount": 10.0 + who})
    lines.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder):
    """Return a function that writes an experiment file; keywords are its keys."""

    def _write(name="001-depth.yaml", **keys):
        path = folder / name
        raw = {"question": "Deeper trees?", "config": "shop.yaml", **keys}
        path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
        return path.relative_to(folder)

    return _write


@pytest.fixture
def trained(monkeypatch):
    """Stand in for the training, and return the names of the variants that were trained, in order.

    The error of spend falls with the depth of the trees. A depth of 13 fails; one of 14 is interrupted.
    """
    names = []

    def predict(self, variant, threads):
        depth = variant.config.model.max_depth
        names.append(variant.name)
        if depth == 13:
            raise RuntimeError("no luck")
        if depth == 14:
            raise KeyboardInterrupt
        frames = []
        for cutoff in self.cutoffs(variant.config):
            draw = np.random.default_rng(cutoff.toordinal())
            spend = draw.gamma(1.0, 50.0, 300) * (draw.random(300) < 0.6)
            off = np.exp(draw.normal(0, 1.0 / depth, 300))
            frames.append(
                pd.DataFrame(
                    {
                        "cutoff": pd.Timestamp(cutoff),
                        "customer_id": [f"c{n}" for n in range(300)],
                        "actual_spend": spend,
                        "churned": (spend == 0).astype(int),
                        "low": 0.0,
                        "high": 1000.0,
                        "spend/clvml": (spend + 5) * off,
                        "churn/clvml": np.clip(0.5 + (spend == 0) * 0.3 - off / 10, 0, 1),
                    }
                )
            )
        frame = pd.concat(frames, ignore_index=True)
        return frame.assign(**{"spend/zero": 0.0}) if self._is_base(variant) else frame

    monkeypatch.setattr(runner._Bench, "predict", predict)
    return names
