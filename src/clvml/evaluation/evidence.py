"""What a test out of time shows, as plain figures for pages: leaderboard, gains, calibration, intervals."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clvml.evaluation.backtest import Backtest
from clvml.evaluation.leaderboard import CHURN_SHOWN, SPEND_SHOWN, Leaderboard
from clvml.evaluation.margin_forecasts import margin_table
from clvml.evaluation.metrics import top_share

FILE = "evidence.json"
# Points of the gains curve: enough for a picture, few enough for a page.
_POINTS = 51
_TENTHS = 10

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Gains(_Part):
    customers: list[Share]
    model: list[float]
    perfect: list[float]

    @model_validator(mode="after")
    def _as_long(self) -> _Gains:
        if not 2 <= len(self.customers) == len(self.model) == len(self.perfect):
            raise ValueError("the curves differ in length")
        return self


class _Tenth(_Part):
    customers: Annotated[int, Field(gt=0)]
    p_churn: Share
    churned: Share


class _Driver(_Part):
    group: str
    share: Share
    direction: Literal["leave", "stay", "mixed"]


class _Margin(_Part):
    model: str
    group: str
    customers: Annotated[int, Field(gt=0)]
    said: float
    came: float
    times: float | None
    error: float


class Evidence(_Part):
    """What a test out of time shows; `build_evidence` says what the parts are."""

    cutoffs: Annotated[list[Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]], Field(min_length=1)]
    predictions: int
    champion: str
    models: dict[str, dict[str, float | None]]
    verdicts: dict[str, str]
    top_fifth_share: float | None
    total_off: float | None
    coverage: Share | None
    gains: _Gains | None
    calibration: list[_Tenth]
    drivers: list[_Driver]
    # Missing beside models of earlier releases.
    margin: list[_Margin] = []

    @model_validator(mode="after")
    def _champion_is_there(self) -> Evidence:
        if self.champion not in self.models:
            raise ValueError("the champion is not one of the models")
        return self


def build_evidence(tested: Backtest, drivers: list[dict[str, Any]], margin: float) -> dict[str, Any]:
    """Return how good a model is out of time and what it goes by, ready for JSON.

    ``drivers`` is what `clvml.explain.Explanation.shares` returns, and handed on; ``margin`` the share of spend that is
    earned.

    Returns
    -------
    dict
        ``cutoffs`` (test dates), ``predictions`` (rows), ``models`` (per model its pooled metrics by name, None where
        undefined), ``verdicts`` (of what people are shown, against the best of the others), ``top_fifth_share`` (money
        that the fifth expected to spend most brought, mean over the dates; None where nothing was spent),
        ``total_off`` (how far the total was off, as a share of it, mean over the dates),
        ``coverage`` (share of the customers within their interval, mean over the dates; None without intervals) and of
        the newest date
        ``gains`` (shares of the money found by shares of the customers) and ``calibration`` (per tenth of the
        customers, mean P(churn) and the share who left), and ``margin`` (what each forecast said and what came, see
        `clvml.evaluation.margin_forecasts`).
    """
    board, frame = tested.leaderboard, tested.predictions
    ours = tested.models[0]
    newest = frame[frame["cutoff"] == frame["cutoff"].max()]
    models: dict[str, dict[str, float | None]] = {name: {} for name in board.models}
    for row in board.pooled.to_dict("records"):
        models[str(row["model"])][str(row["metric"])] = _finite(row["value"])
    shares = [top_share(rows["actual_spend"], rows[ours.spend], 0.2) for _, rows in frame.groupby("cutoff")]
    return {
        "cutoffs": [pd.Timestamp(cutoff).date().isoformat() for cutoff in sorted(frame["cutoff"].unique())],
        "predictions": len(frame),
        "champion": board.champion,
        "models": models,
        "verdicts": {
            str(row["metric"]): str(row["verdict"])
            for row in board.best_others().to_dict("records")
            if row["metric"] in (*SPEND_SHOWN, *CHURN_SHOWN)
        },
        "top_fifth_share": _finite(
            np.mean([share for share in shares if math.isfinite(share)] or [math.nan])
        ),
        "total_off": _finite(np.mean(np.abs(_biases(board)))) if len(_biases(board)) else None,
        "coverage": _finite(interval_coverage(frame)),
        "gains": _gains(newest["actual_spend"].to_numpy(float), newest[ours.spend].to_numpy(float)),
        "calibration": _calibration(newest["churned"].to_numpy(float), newest[ours.churn].to_numpy(float)),
        "drivers": drivers,
        "margin": [
            {name: _finite(value) if name == "times" else value for name, value in row.items()}
            for row in margin_table(frame, tested.models, margin).to_dict("records")
        ],
    }


def interval_coverage(predictions: pd.DataFrame) -> float:
    """Return the share of the customers whose spend lies within their interval, mean over the test dates."""
    # Refunds of earlier purchases can make spend negative; an interval from zero holds what is at most zero.
    spent = predictions["actual_spend"].clip(lower=0.0)
    held = spent.between(predictions["low"], predictions["high"])
    return float(held.groupby(predictions["cutoff"]).mean().mean())


def write_evidence(evidence: dict[str, Any] | None, directory: Path) -> None:
    """Write the evidence beside a model, as JSON; nothing where there is none."""
    if evidence is not None:
        text = json.dumps(evidence, allow_nan=False)
        (directory / FILE).write_text(text, encoding="utf-8")


def read_evidence(directory: Path) -> dict[str, Any] | None:
    """Return the evidence beside a model; None where there is none, or a damaged one.

    A model scores without it, so that it never stands in the way.
    """
    try:
        return Evidence.model_validate_json((directory / FILE).read_bytes()).model_dump()
    except (OSError, ValidationError):
        return None


def _biases(board: Leaderboard) -> np.ndarray:
    rows = board.folds[(board.folds["model"] == board.champion) & (board.folds["metric"] == "total_bias")]
    values = rows["value"].to_numpy(float)
    return values[np.isfinite(values)]


def _gains(actual: np.ndarray, expected: np.ndarray) -> dict[str, list[float]] | None:
    total = actual.sum()
    if total <= 0:
        return None
    shares = np.linspace(0.0, 1.0, _POINTS)

    def found(order: np.ndarray) -> list[float]:
        money = np.concatenate([[0.0], np.cumsum(actual[order])]) / total
        return np.interp(shares * len(actual), np.arange(len(actual) + 1), money).round(4).tolist()

    return {
        "customers": shares.round(4).tolist(),
        "model": found(np.argsort(-expected, kind="stable")),
        "perfect": found(np.argsort(-actual, kind="stable")),
    }


def _calibration(churned: np.ndarray, p_churn: np.ndarray) -> list[dict[str, float]]:
    order = np.argsort(p_churn, kind="stable")
    return [
        {
            "customers": len(rows),
            "p_churn": round(float(p_churn[rows].mean()), 4),
            "churned": round(float(churned[rows].mean()), 4),
        }
        for rows in np.array_split(order, _TENTHS)
        if len(rows)
    ]


def _finite(value: Any) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
