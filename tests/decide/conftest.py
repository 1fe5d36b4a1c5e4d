"""Scored tables made up for the tests of decisions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clvml.decide.playbook import parse_playbook
from clvml.scores.columns import COLUMNS, typed
from clvml.scores.scorer import RISKS
from clvml.scores.segments import SEGMENTS
from clvml.scores.tiers import TIERS


def scored(customers=None, *, seed=0, **columns):
    """Return a scored table: of so many customers at random, or of the columns given."""
    draw = np.random.default_rng(seed)
    n = customers or len(next(iter(columns.values())))
    p = draw.beta(1.0, 1.0, n)
    spend = draw.lognormal(4.0, 1.2, n) * (1.0 - p)
    made = pd.DataFrame(
        {
            "customer_id": [f"C{number:06d}" for number in range(n)],
            "as_of": "2024-07-01",
            "horizon_days": 180,
            "p_churn": p.round(6),
            "churn_risk": np.asarray(RISKS, dtype=object)[np.digitize(p, (1 / 3, 2 / 3))],
            "expected_orders": (1.0 - p).round(2),
            "expected_spend": spend.round(2),
            "expected_spend_low": np.where(p < 0.1, 0.3 * spend, 0.0).round(2),
            "expected_spend_high": (spend * (1.0 + 2.0 * p)).round(2),
            **{f"expected_spend_{days}d": (spend * days / 180).round(2) for days in (30, 90, 180, 365)},
            "clv": (0.6 * spend).round(2),
            "historic_spend": (draw.lognormal(5.0, 1.0, n)).round(2),
            "last_order_date": "2024-05-01",
            "next_order_date": "2024-09-01",
            "value_tier": draw.choice(TIERS, n, p=[0.05, 0.15, 0.3, 0.5]),
            "segment": draw.choice(list(SEGMENTS), n),
            "reason_1": None,
            "reason_2": None,
            "reason_3": None,
            "model_version": "3",
            "run_id": "run",
        }
    ).assign(**columns)
    further = [name for name in columns if name not in COLUMNS]
    return typed(made).assign(**made[further])


def playbook_of(share=0.0, unit="customer_id", campaign="spring", **actions):
    """Return a playbook of actions given as ``name={"contact_cost": ..., "save": (mean, sd), ...}``."""
    made = {}
    for name, keys in actions.items():
        keys = dict(keys)
        mean, sd = keys.pop("save", (0.05, 0.02))
        made[name] = {"contact_cost": 1.0, "save_rate": {"mean": mean, "sd": sd}, **keys}
    return parse_playbook({"campaign": campaign, "actions": made, "control": {"share": share, "unit": unit}})


@pytest.fixture
def example():
    """Return the scores and the playbook of the example worked by hand: A, B, C, D; a mail and a call."""
    scores = scored(
        customer_id=["A", "B", "C", "D"],
        p_churn=[0.5, 0.5, 0.9, 0.02],
        # Worth 1000, 400, 100 and 1000 if kept; C's P(staying) counts as .15.
        clv=[500.0, 200.0, 15.0, 980.0],
    )
    book = playbook_of(
        mail={"contact_cost": 1, "save": (0.02, 0.01)}, call={"contact_cost": 10, "save": (0.10, 0.05)}
    )
    return scores, book
