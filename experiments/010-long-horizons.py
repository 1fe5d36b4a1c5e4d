"""Should trailing spend count more in the level the longer the horizon? Writes 010-long-horizons.md beside itself.

.venv/bin/python experiments/010-long-horizons.py

The rule that is tried: BG/NBD with weight 1 - w and trailing spend with w = .2 + .4 * horizon / 365, a third of
BG/NBD's past miss kept, and half of trailing spend's where that is negative. BG/NBD is that of Fader, Hardie and
Lee (2005).
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from accuracy import Log  # noqa: E402
from simulated import KINDS, simulated  # noqa: E402

from cases import CACHE  # noqa: E402
from clvml.customers.windows import trainable, training_cutoffs  # noqa: E402
from clvml.models.anchor import fit_level  # noqa: E402
from clvml.models.prior import FORECAST_FEATURES, RHYTHM_FEATURES, fit_prior  # noqa: E402

Array = NDArray[np.float64]
FEATURES = tuple(dict.fromkeys((*FORECAST_FEATURES, *RHYTHM_FEATURES)))
FORMS = ("tweedie", "hurdle", "alone")
LARGEST_MISS = np.log(4.0)
# First and last cutoff of each log, two months apart where the log goes on for the horizon.
SPANS = {
    "online_retail": ("2010-07-01", "2011-12-01"),
    "cdnow": ("1997-07-01", "1998-07-01"),
    **dict.fromkeys(KINDS, ("2021-06-01", "2023-06-15")),
}


def main() -> None:
    """Forecast the total at every date by each rule, and write the page."""
    rows = []
    for name, (first, last) in SPANS.items():
        source = str(simulated(name, CACHE)) if name in KINDS else None
        log = Log(name, source, "simulated_orders" if source else name)
        for horizon in (180, 365):
            cutoffs = [
                start.date()
                for start in pd.date_range(first, last, freq="2MS")
                if start + pd.Timedelta(days=horizon) <= pd.Timestamp(last)
                and trainable(log.days.first_day, start.date(), log.config(horizon).windows)
                == log.config(horizon).windows
            ]
            for place, cutoff in enumerate(cutoffs):
                half = "earlier" if place < len(cutoffs) / 2 else "later"
                totals = totals_at(log, cutoff, horizon)
                for rule, said in rules(totals, horizon).items():
                    missed = abs(said - np.log(totals["actual"].iloc[-1]))
                    rows.append(
                        {"log": name, "horizon": horizon, "half": half, "rule": rule, "missed": missed}
                    )
            print(name, horizon, len(cutoffs), flush=True)
    write(pd.DataFrame(rows))


def totals_at(log: Log, cutoff: date, horizon: int) -> pd.DataFrame:
    """Return the totals of each training window and, last, of the window to be foretold, and what was said of them."""
    prior = fit_prior(log.days, cutoff, horizon)
    customers = log.days.features(cutoff, horizon)
    fitted = fit_bg_nbd(*prior.season.history(customers[customers["purchase_days"] > 0], cutoff))
    rows = {}
    for start in [*training_cutoffs(log.days.first_day, cutoff, log.config(horizon).windows), cutoff]:
        window = log.days.snapshots([start], horizon, FEATURES)
        said = prior.forecast(window, start, horizon)
        clock = horizon * prior.season.factor(start, horizon)
        orders = bg_nbd_orders(fitted, clock, *prior.season.history(window, start))
        rows[start] = {
            "actual": window["actual_spend"].clip(lower=0.0).sum(),
            "MBG/NBD": said["btyd_spend"].sum(),
            "BG/NBD": (orders * said["btyd_value"]).sum(),
            "trailing": said["trailing_365d"].sum(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").clip(lower=1e-9)


def rules(totals: pd.DataFrame, horizon: int) -> dict[str, float]:
    """Return the logarithm of the total by each rule."""
    past, now = totals.iloc[:-1], np.log(totals.iloc[-1])
    names = {"actual": "actual_spend", "MBG/NBD": "btyd_spend", "trailing": "trailing_365d"}
    before = past.rename(columns=names)
    today = totals.iloc[[-1]].rename(columns=names)
    used = fit_level(today, 0.0, dict.fromkeys((*FORMS, "stack"), np.ones(1)), before, horizon).tweedie
    miss = {
        name: float((np.log(past["actual"]) - np.log(past[name])).clip(-LARGEST_MISS, LARGEST_MISS).mean())
        for name in ("MBG/NBD", "BG/NBD", "trailing")
    }
    weight = 0.2 + 0.4 * horizon / 365
    trailing = now["trailing"] + min(miss["trailing"], 0.0) / 2
    by = {name: (1 - weight) * (now[name] + miss[name] / 3) for name in ("MBG/NBD", "BG/NBD")}
    return {
        "as it is": float(np.log(used)),
        "the rule that is tried": by["BG/NBD"] + weight * trailing,
        "the same with MBG/NBD": by["MBG/NBD"] + weight * trailing,
        "the same, a third of trailing spend's miss kept": by["BG/NBD"]
        + weight * (now["trailing"] + miss["trailing"] / 3),
        "MBG/NBD alone": now["MBG/NBD"],
        "BG/NBD alone": now["BG/NBD"],
        "trailing spend alone": now["trailing"],
    }


def fit_bg_nbd(frequency: Array, recency: Array, age: Array) -> Array:
    """Return r, alpha, a and b of BG/NBD by maximum likelihood."""
    unit = float(np.max(age)) / 100.0
    histories = np.column_stack([frequency, np.asarray(recency) / unit, np.asarray(age) / unit]).round(3)
    different, number = np.unique(histories, axis=0, return_counts=True)
    x, t_x, T = different.T
    waits = np.maximum(x, 1.0)

    def loss(logs: Array) -> float:
        r, alpha, a, b = np.exp(logs)
        stays = betaln(a, b + x) - (r + x) * np.log(alpha + T)
        left = np.where(x > 0, betaln(a + 1, b + waits - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
        each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b) + np.logaddexp(stays, left)
        return -float(np.average(each, weights=number))

    starts = (np.array([0.0, 3.0, 0.0, 0.0]), np.array([-1.0, 2.0, -0.5, 1.0]))
    found = min(
        (minimize(loss, start, method="L-BFGS-B", bounds=[(-7.0, 7.0)] * 4) for start in starts),
        key=lambda result: result.fun,
    )
    return np.exp(found.x) * [1.0, unit, 1.0, 1.0]


def bg_nbd_orders(parameters: Array, days: float, x: Array, t_x: Array, T: Array) -> Array:
    """Return the expected purchase days in a window, shape (n,): Fader, Hardie and Lee 2005, equation 10."""
    r, alpha, a, b = parameters
    a = a if abs(a - 1.0) > 1e-4 else 1.0 + 1e-4
    series = hyp2f1(r + x, b + x, a + b + x - 1, days / (alpha + T + days))
    bought = 1 - ((alpha + T) / (alpha + T + days)) ** (r + x) * series
    odds = np.where(x > 0, a / (b + np.maximum(x, 1.0) - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x), 0.0)
    return np.maximum((a + b + x - 1) / (a - 1) * bought / (1 + odds), 0.0)


def write(table: pd.DataFrame) -> None:
    """Write the page: |log(predicted / actual)| per log, mean over the dates of a half."""
    parts = []
    for (half, horizon), rows in table.groupby(["half", "horizon"]):
        means = rows.pivot_table("missed", "rule", "log", sort=False)
        head = ["rule", *means.columns, "mean"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for rule, row in means.iterrows():
            cells = [*row, row.mean()]
            lines.append("| " + " | ".join([str(rule), *(f"{cell:.3f}" for cell in cells)]) + " |")
        dates = rows[["log", "rule"]].value_counts().groupby("log").first().sum()
        parts.append(f"## {horizon} days, the {half} dates ({dates})\n\n" + "\n".join(lines) + "\n")
    text = f"""# 010: trailing spend in the level of long horizons

**Question.** Is the total of 180 and 365 days nearer where trailing spend counts more the longer the horizon, as
w = .2 + .4 x horizon / 365, beside BG/NBD?

**Answer.** [Decision 016](../docs/decisions/016-large-accounts-and-long-horizons.md). The tables hold
|log(predicted / actual)|, the mean over the dates of each log; the mean over logs is on the right.

Re-made by `.venv/bin/python experiments/010-long-horizons.py`.

{chr(10).join(parts)}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
