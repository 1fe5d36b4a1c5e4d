"""Makes the predictions of the peers; runs in their own environments.

    .venv-peers/bin/python benchmarks/peers/run.py JOBS.json
    .venv-automl/bin/python benchmarks/peers/run.py JOBS.json    AutoGluon

A job names a model, the Parquet file of what is known at a cutoff, and for every horizon where the prediction goes.
A model that fails, or takes longer than `LIMIT`, leaves its error in the place of a prediction.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import automl
import boosted
import parametric
import pareto
import ziln

PARAMETRIC = {
    "lifetimes BG/NBD": parametric.fit_lifetimes,
    "lifetimes MBG/NBD": parametric.fit_lifetimes,
    "lifetimes Pareto/NBD": parametric.fit_lifetimes,
    "pymc-marketing BG/NBD": parametric.fit_pymc,
    "pymc-marketing Pareto/NBD": pareto.fit_pymc_pareto,
}
BOOSTED = {
    "AutoGluon": automl.fit_predict_autogluon,
    "CatBoost": boosted.fit_predict_catboost,
    "LightGBM": boosted.fit_predict_lightgbm,
    "LightGBM ZILN": ziln.fit_predict_ziln,
    "XGBoost": boosted.fit_predict_xgboost,
}
# Processor seconds of a job. A fit of these logs takes seconds to minutes; some of lifetimes' never end.
LIMIT = 900


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, give_up)
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        try:
            forecasts = predict(job)
        except (Exception, GivenUp) as error:  # noqa: BLE001 (whatever a peer raises is its result)
            forecasts = [f"{type(error).__name__}: {error}"] * len(job["horizons"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.perf_counter() - started
        for horizon, forecast in zip(job["horizons"], forecasts, strict=True):
            write(Path(horizon["output"]), forecast, seconds)
        print(f"{job['model']:<28} {job['case']:<34} {seconds:6.1f} s", file=sys.stderr, flush=True)


class GivenUp(BaseException):
    """Not an Exception: a fit that is tried again with a penalty must not take it for its own failure."""


def give_up(*_: object) -> None:
    raise GivenUp(f"not finished after {LIMIT} seconds of a processor")


def predict(job: dict) -> list[tuple[pd.DataFrame, str] | str]:
    """Return a prediction and its settings per horizon, or what is wrong with it."""
    name, model = job["model"], job["model"].partition(" ")[2]
    history = pd.read_parquet(job["history"])
    made = []
    if name in PARAMETRIC:
        forecast, value, settings = PARAMETRIC[name](model, history)
        for horizon in job["horizons"]:
            orders, none, alive = forecast(horizon["days"])
            columns = {"spend": np.maximum(orders * value, 0.0), "churn": none, "not_alive": 1.0 - alive}
            made.append(checked(history["customer_id"], columns, settings))
    else:
        for horizon in job["horizons"]:
            train = pd.read_parquet(horizon["train"])
            test = pd.read_parquet(horizon["test"])
            made.append(checked(test["customer_id"], *BOOSTED[name](train, test)))
    return made


def checked(customers: pd.Series, columns: dict, settings: str) -> tuple[pd.DataFrame, str] | str:
    """Return the prediction, or an error where a number is missing or a probability none."""
    for name, values in columns.items():
        wrong = ~np.isfinite(values)
        if name in ("churn", "not_alive"):
            wrong |= (values < -1e-6) | (values > 1 + 1e-6)
            columns[name] = np.clip(values, 0.0, 1.0)
        if wrong.any():
            return (
                f"{wrong.sum():,} of {len(values):,} predictions of {name} are no numbers or no probabilities"
            )
    return pd.DataFrame({"customer_id": customers, **columns}), settings


def write(output: Path, forecast: tuple[pd.DataFrame, str] | str, seconds: float) -> None:
    """Write the prediction, then what is known of it: whoever finds the second finds the first."""
    output.parent.mkdir(parents=True, exist_ok=True)
    error, settings = (forecast, "") if isinstance(forecast, str) else ("", forecast[1])
    if not isinstance(forecast, str):
        forecast[0].to_parquet(output, index=False)
    about = {"error": error, "settings": settings, "seconds": round(seconds, 2)}
    output.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    main()
