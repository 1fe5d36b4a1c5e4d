"""Simulated campaigns with known effects: plans, and what their customers did."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from clvml.decide.plan_file import PLAN_COLUMNS, PlanRecord, rows_digest, write_plan
from clvml.decide.playbook import parse_playbook

AS_OF = date(2024, 4, 1)
DAYS = 90


def playbook_of(share=0.1, **actions):
    costs = {"contact_cost": 1.0, "save_rate": {"mean": 0.1, "sd": 0.08}}
    return parse_playbook(
        {
            "campaign": "spring",
            "currency": "EUR",
            "actions": {name: {**costs, **given} for name, given in (actions or {"mail": {}}).items()},
            "control": {"share": share},
        }
    )


def plan_of(frame, playbook=None, as_of=AS_OF, days=DAYS):
    """Return a plan of a frame with customer_id, action, group and whatever else is known, and its record."""
    playbook = playbook or playbook_of()
    rows = {}
    for column in PLAN_COLUMNS:
        empty = (
            pd.array([None] * len(frame), dtype="string") if column.kind == "text" else np.zeros(len(frame))
        )
        rows[column.name] = frame.get(column.name, empty)
    table = pd.DataFrame(rows).assign(
        as_of=as_of.isoformat(), horizon_days=days, plan_id="p1", campaign=playbook.campaign
    )
    if "unit" not in frame:
        table["unit"] = table["customer_id"]
    for name, believed in ((name, action.save_rate) for name, action in playbook.actions.items()):
        own = table["action"] == name
        if "save_rate" not in frame:
            table.loc[own, ["save_rate", "save_rate_sd"]] = believed.mean, believed.sd
    for column in PLAN_COLUMNS:
        kind = {"text": "string", "number": "float64", "whole": "int64"}[column.kind]
        table[column.name] = table[column.name].astype(kind)
    record = PlanRecord(
        plan_id="p1",
        digest=rows_digest(table),
        campaign=playbook.campaign,
        as_of=as_of,
        horizon_days=days,
        budget=None,
        currency=playbook.currency,
        model_version="",
        run_id="",
        playbook=playbook,
        summary={},
    )
    return table, record


def write(folder, frame, playbook=None):
    """Write a plan into a folder, and return its path."""
    path = folder / "plan.csv"
    write_plan(*plan_of(frame, playbook), path)
    return path


def heavy_tailed(generator, n, noise=0.5, tail=1.7):
    """Return customers whose spend is as uneven as in Online Retail II: what is known of them, and what they do.

    ``p_churn, expected_spend`` are known; ``stays, spends`` is what they do if left alone; ``saved_spend`` what
    whoever would leave spends if kept.
    """
    expected = generator.lognormal(np.log(300) - tail**2 / 2, tail, n)
    size = (np.log(expected) - np.log(expected).mean()) / tail
    p_churn = 1 / (1 + np.exp(-(0.2 - 1.2 * size + generator.normal(0, 0.7, n))))
    stays = generator.random(n) >= p_churn
    if_bought = expected / (1 - p_churn).clip(0.15) * generator.lognormal(-(noise**2) / 2, noise, n)
    return pd.DataFrame(
        {
            "p_churn": p_churn,
            "expected_spend": expected,
            "stays": stays,
            "spends": np.where(stays, if_bought, 0.0),
            "saved_spend": np.where(stays, 0.0, if_bought),
        }
    )


def treat(customers, save_rate, generator):
    """Return what each customer does if treated: (stayed, spent)."""
    saved = ~customers["stays"] & (generator.random(len(customers)) < save_rate)
    return (customers["stays"] | saved).to_numpy(), (
        customers["spends"] + np.where(saved, customers["saved_spend"], 0.0)
    ).to_numpy()


def log_of(plan, stayed, spent, as_of=AS_OF, days=DAYS):
    """Return order lines: one before the window, one in it of each who stayed, one of another on its last day."""
    before = pd.DataFrame(
        {"customer_id": plan["customer_id"], "order_date": as_of - timedelta(days=30), "amount": 20.0}
    )
    window = pd.DataFrame(
        {"customer_id": plan["customer_id"], "order_date": as_of + timedelta(days=10), "amount": spent}
    )
    last = pd.DataFrame(
        {"customer_id": ["other"], "order_date": [as_of + timedelta(days=days - 1)], "amount": [5.0]}
    )
    return pd.concat([before, window[np.asarray(stayed, dtype=bool)], last], ignore_index=True)
