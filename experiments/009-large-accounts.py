"""Does it help to hold a large account to what it used to spend? Writes 009-large-accounts.md beside itself.

.venv/bin/python experiments/009-large-accounts.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from accuracy import Log  # noqa: E402
from simulated import KINDS, simulated  # noqa: E402

from cases import CACHE  # noqa: E402
from clvml.evaluation.metrics import gini, rmse  # noqa: E402
from clvml.models.customer_model import CustomerModel, fit_customer_model  # noqa: E402
from clvml.models.spend import STACKED  # noqa: E402

QUARTERS = ("2022-01-01", "2022-04-01", "2022-07-01", "2022-10-01")
# Horizons, and their dates: the earlier half chooses, the later half only reports.
DATES: dict[str, dict[int, tuple[str, ...]]] = {
    "online_retail": {
        90: ("2010-09-01", "2010-11-01", "2011-01-01", "2011-03-01", "2011-06-01", "2011-09-01"),
        180: ("2010-12-01", "2011-02-01", "2011-04-01", "2011-06-01"),
    },
    "cdnow": {90: ("1997-10-01", "1998-01-01", "1998-04-01"), 180: ("1997-11-01", "1998-01-01")},
    **{kind: {90: QUARTERS, 180: QUARTERS} for kind in KINDS},
}
WEIGHTS = (0.1, 0.2, 0.3)


def main() -> None:
    """Forecast at every date, measure, write the page."""
    rows = []
    for name, horizons in DATES.items():
        source = str(simulated(name, CACHE)) if name in KINDS else None
        log = Log(name, source, "simulated_orders" if source else name)
        for horizon, cutoffs in horizons.items():
            for place, text in enumerate(cutoffs):
                cutoff = date.fromisoformat(text)
                model = fit_customer_model(log.days, cutoff, log.config(horizon))
                test = log.test(cutoff, horizon)
                half = "earlier" if place < len(cutoffs) / 2 else "later"
                actual = test["actual_spend"].to_numpy(float)
                forecasts = dict(variants(model, test, cutoff, horizon))
                used = forecasts["the stack, as it is"]
                for variant, spend in forecasts.items():
                    rows.append(
                        {
                            "log": name,
                            "half": half,
                            "variant": variant,
                            "rmse": 100 * np.log(rmse(actual, spend) / rmse(actual, used)),
                            "gini": 100 * (gini(actual, spend) - gini(actual, used)),
                        }
                    )
                print(name, horizon, text, flush=True)
    write(pd.DataFrame(rows))


def variants(
    model: CustomerModel, test: pd.DataFrame, cutoff: date, horizon: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield forecasts of each customer's spend, shape (n,), all of the same total."""
    frame = model.frame(test, cutoff)
    forms = model.trees.spends(frame, model.trees.p_churn(frame))
    stack = forms["stack"]
    yield "the stack, as it is", stack

    def levelled(spend: np.ndarray) -> np.ndarray:
        return spend * stack.sum() / max(float(spend.sum()), 1e-9)

    weights = model.trees.spend.weights
    yield (
        "its forms added up, not multiplied",
        levelled(np.column_stack([forms[k] for k in STACKED]) @ weights),
    )
    trailing = frame["trailing_365d"].to_numpy(float)
    year_ago = np.where(frame["T"] >= 365, frame["season_spend_sum"].clip(lower=0.0), trailing)
    for title, own in (("the last 365 days", trailing), ("the same window a year ago", year_ago)):
        for weight in WEIGHTS:
            yield f"{weight:.0%} of {title}", (1 - weight) * stack + weight * levelled(own)
        yield f"{title} alone", levelled(own)
        largest = stack >= np.quantile(stack, 0.98)
        held = np.where(largest, 0.7 * stack + 0.3 * levelled(own), stack)
        yield f"30% of {title}, largest 2 % of the customers alone", held


def write(table: pd.DataFrame) -> None:
    """Write the page: per log and half of the dates, and the mean over logs."""
    parts = []
    for half in ("earlier", "later"):
        by_log = table[table["half"] == half].pivot_table(["rmse", "gini"], "variant", "log", sort=False)
        wide = by_log["rmse"][list(DATES)]
        head = ["variant", *wide.columns, "mean", "Gini, mean"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for variant, row in wide.iterrows():
            cells = [*row, row.mean(), by_log["gini"].loc[variant].mean()]
            lines.append("| " + " | ".join([str(variant), *(f"{cell:+.2f}" for cell in cells)]) + " |")
        parts.append(f"## The {half} dates of each log\n\n" + "\n".join(lines) + "\n")
    text = f"""# 009: hold a large account to what it used to spend

**Question.** Where few accounts hold most of the money, is the single account forecast better by what it spent in
the last 365 days, or in the same window a year ago, beside the stack? Is the stack better multiplied or added up?

**Answer.** [Decision 016](../docs/decisions/016-large-accounts-and-long-horizons.md). The tables hold the change of
RMSE in percent against the stack as it is, below 0 where the variant is better, and that of Gini in hundredths,
above 0 where it is better. All variants have the same total.

Re-made by `.venv/bin/python experiments/009-large-accounts.py`.

{chr(10).join(parts)}"""
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
