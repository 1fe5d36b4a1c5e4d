"""The plan: which customer gets which action within a budget, who is held out, and what that is expected to bring."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.decide.allocation import Allocation, allocate
from clvml.decide.control import in_control, units_of
from clvml.decide.eligibility import Eligibility, eligible
from clvml.decide.gains import Gains
from clvml.decide.market import Market, Task
from clvml.decide.plan_file import CONTROL, NAMES, TREATED, PlanRecord, rows_digest
from clvml.decide.plan_summary import advice, summarise
from clvml.decide.playbook import Playbook
from clvml.errors import InputError, did_you_mean
from clvml.scores.age import age_notes
from clvml.scores.columns import is_of_subscribers, whom
from clvml.scores.totals import LEVEL_SPREAD, REACH

Array = NDArray[np.float64]

STAYS, LOST, TOO_LITTLE = "would stay anyway", "lost", "worth too little"
BUDGET_SPENT, CAP_FULL = "the budget pays more elsewhere", "the cap is full"
# Below and from these churn probabilities, whom nothing pays for would stay anyway, or is lost.
_STAYS_BELOW, _LOST_FROM = 1.0 / 3.0, 0.85
_NUMBERS = ("p_churn", "clv", "expected_spend", "historic_spend")
SETTLED_BY = ("customer_id", "as_of", "horizon_days", "p_churn", "clv")
_NEEDED = (
    *SETTLED_BY,
    *("expected_spend", "historic_spend", "value_tier", "segment", "model_version", "run_id"),
)


@dataclass(frozen=True)
class Plan:
    """Which customer gets which action.

    Attributes
    ----------
    table : DataFrame
        One row per customer with `clvml.decide.plan_file.PLAN_COLUMNS`; planned customers first, by expected gain
        falling.
    record : PlanRecord
        What it was made with, and what it comes to.
    notes : list of str
        What to know about it.
    subscribers : bool
        The customers subscribe.
    """

    table: pd.DataFrame
    record: PlanRecord
    notes: list[str]
    subscribers: bool = False

    @property
    def summary(self) -> dict[str, Any]:
        """What the plan comes to, as numbers and texts: see docs/planning.md."""
        return self.record.summary

    @cached_property
    def actions(self) -> pd.DataFrame:
        """One row per action: customers, control group, cost, expected gain, and what the group will show."""
        return pd.DataFrame(self.summary["actions"]).set_index("action")

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Budgets and the profit that each is expected to bring [currency]."""
        return pd.DataFrame(self.summary["curve"])

    def __repr__(self) -> str:
        s = self.summary
        unit = f" {self.record.currency}" if self.record.currency else ""
        budget = "no limit" if self.record.budget is None else f"{self.record.budget:,.2f}{unit}"
        return (
            f"<Plan '{self.record.campaign}' as of {self.record.as_of}: {s['planned']:,} of {s['customers']:,}"
            f" {whom(self.subscribers)}, cost {s['cost']:,.2f} of {budget}, expected profit {s['profit']:,.2f}{unit}"
            f" ({s['profit_low']:,.2f} to {s['profit_high']:,.2f}), {s['control']:,} held out>"
        )

    def _repr_html_(self) -> str:
        shown = ["customers", "control", "cost", "profit", "profit_low", "profit_high", "save_rate", "source"]
        return f"<p>{repr(self)[1:-1]}</p>{self.actions[shown].to_html(float_format='{:,.2f}'.format)}"


@dataclass(frozen=True)
class Choices:
    """What may be done for whom, and what it would bring.

    Attributes
    ----------
    task : Task
        Of both, with the caps of the playbook.
    """

    may: Eligibility
    gains: Gains
    task: Task


@dataclass(frozen=True)
class Settled:
    """What is decided, before it is written down.

    Attributes
    ----------
    found : Allocation
        Who gets which action, shape (n,).
    held : ndarray of bool, shape (n,)
        Who is in the control group.
    why : ndarray of str, shape (n,)
        Why nothing is planned; None where something is. None at all in brief.
    summary : dict
        See `clvml.decide.plan_summary.summarise`.
    """

    found: Allocation
    held: NDArray[np.bool_]
    why: NDArray[np.object_] | None
    summary: dict[str, Any]


def choices_of(
    scores: pd.DataFrame,
    playbook: Playbook,
    opt_outs: pd.DataFrame | None = None,
    contacts: pd.DataFrame | None = None,
    today: date | None = None,
) -> Choices:
    """Return what a playbook leaves to be decided; parameters and errors of `make_plan`.

    Of the scores, which `check_scores` has passed, it needs `SETTLED_BY` and what the playbook names.
    """
    as_of = date.fromisoformat(str(scores["as_of"].iloc[0]))
    may = eligible(scores, playbook, opt_outs, contacts, as_of, today or as_of)
    gains = Gains.of(scores, playbook)
    caps = np.array([np.inf if a.cap is None else float(a.cap) for a in playbook.actions.values()])
    gain = gains.gain()
    gain[~may.allowed] = -np.inf
    return Choices(may, gains, Task(gain, gains.cost(), caps))


def settled(
    scores: pd.DataFrame,
    playbook: Playbook,
    choices: Choices,
    budget: float | None,
    control: NDArray[np.bool_] | None = None,
    brief: bool = False,
) -> Settled:
    """Decide within a budget.

    Parameters
    ----------
    choices : Choices
        Of both.
    budget : float or None
        Expected cost at most [currency]; None: as much as pays.
    control : ndarray of bool, shape (n,), optional
        Who is held out where planned (`clvml.decide.control.in_control`), for whoever asks more than once.
    brief : bool
        Without what only the file of a plan tells: ``why``, and parts of the summary.
    """
    limit = np.inf if budget is None else float(budget)
    market = Market(choices.task)
    found = allocate(market.task, limit, market)
    planned = found.choice >= 0
    if control is None:
        control = np.zeros(len(scores), dtype=bool)
        units = units_of(scores, playbook)
        control[planned] = in_control(units[planned], playbook.campaign, playbook.control.share)
    held = control & planned
    why = None
    if not brief:
        why = _why(choices.gains, choices.may, found, found.totals.counts >= np.floor(choices.task.caps))
    summary = summarise(
        playbook, choices.gains, market, found, held, None if why is None else pd.Series(why), limit
    )
    return Settled(found, held, why, summary)


def make_plan(
    scores: pd.DataFrame,
    playbook: Playbook,
    budget: float | None,
    opt_outs: pd.DataFrame | None = None,
    contacts: pd.DataFrame | None = None,
    today: date | None = None,
    trained_as_of: date | None = None,
) -> Plan:
    """Decide which customer gets which action, to bring most profit within the budget.

    Parameters
    ----------
    scores : DataFrame
        The scored table, one row per customer.
    budget : float or None
        Expected cost at most, incentives included [currency]; None: as much as pays.
    opt_outs, contacts : DataFrame, optional
        See `clvml.decide.eligibility.eligible`.
    today : date, optional
        Contacts after it are refused, and scores older than their horizon are noted. The date of the scores where
        left out.
    trained_as_of : date, optional
        The first day that the model did not see; an old model is noted.

    Raises
    ------
    InputError
        The budget is negative, the scores lack what is needed, or the playbook does not fit them.
    """
    is_number = isinstance(budget, Real) and not isinstance(budget, bool)
    if budget is not None and not (is_number and np.isfinite(budget) and budget >= 0):
        raise InputError(f"the budget must be 0 or more; currently {budget!r}")
    check_scores(scores, _NEEDED)
    choices = choices_of(scores, playbook, opt_outs, contacts, today)
    decided = settled(scores, playbook, choices, budget)
    as_of = date.fromisoformat(str(scores["as_of"].iloc[0]))
    horizon = int(scores["horizon_days"].iloc[0])
    table = _table(scores, playbook, choices.gains, decided)
    age = age_notes(as_of, horizon, today, trained_as_of)
    limit = np.inf if budget is None else float(budget)
    subscribers = is_of_subscribers(scores.columns)
    notes = [*choices.may.notes, *age, *advice(playbook, decided.summary, limit, whom(subscribers))]
    digest = rows_digest(table)
    made_of = f"{digest} {playbook.digest} {budget}"
    record = PlanRecord(
        plan_id=hashlib.sha256(made_of.encode()).hexdigest()[:12],
        digest=digest,
        campaign=playbook.campaign,
        as_of=as_of,
        horizon_days=horizon,
        budget=budget,
        currency=playbook.currency,
        model_version=_said(scores["model_version"]),
        run_id=_said(scores["run_id"]),
        playbook=playbook,
        summary={**decided.summary, "notes": notes, "age": age},
    )
    table["plan_id"] = pd.array([record.plan_id], dtype="string").repeat(len(table))
    return Plan(table, record, notes, subscribers)


def _said(texts: pd.Series) -> str:
    return "" if pd.isna(texts.iloc[0]) else str(texts.iloc[0])


def check_scores(scores: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse scores that lack a column, mix scorings, or hold what is not a number.

    Raises
    ------
    InputError
    """
    for name in needed:
        if name not in scores.columns:
            raise InputError(
                f"the scores have no column '{name}'{did_you_mean(name, map(str, scores.columns))}; give what"
                " `clvml score` wrote"
            )
    if scores.empty:
        raise InputError("the scores hold no customer; give what `clvml score` wrote")
    for name in ("as_of", "horizon_days"):
        if (scores[name].astype("string") != str(scores[name].iloc[0])).any():
            raise InputError(f"the scores mix several {name}; give those of one scoring")
    if scores["customer_id"].duplicated().any():
        twice = scores.loc[scores["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise InputError(f"the scores hold customer '{twice}' twice; give those of one scoring")
    for name in [name for name in _NUMBERS if name in needed]:
        bad = int((~np.isfinite(pd.to_numeric(scores[name], errors="coerce"))).sum())
        if bad:
            raise InputError(f"the scores have no number in {name} for {bad:,} customers; score again")
    outside = int((~scores["p_churn"].between(0, 1)).sum())
    if outside:
        raise InputError(f"p_churn of the scores is outside 0 to 1 for {outside:,} customers; score again")


def _table(scores: pd.DataFrame, playbook: Playbook, gains: Gains, decided: Settled) -> pd.DataFrame:
    choice, own = decided.found.choice, np.arange(len(scores))
    planned = choice >= 0

    def text(values: Any) -> Any:
        return pd.array(np.broadcast_to(np.asarray(values, dtype=object), len(scores)), dtype="string")

    def of_action(values: Array, missing: float, places: int) -> Array:
        picked = values[np.maximum(choice, 0), own]
        return np.where(planned, np.round(picked, places), missing) + 0.0

    def named(values: list[str]) -> Any:
        return text(np.array([*values, None], dtype=object)[choice])

    rules = list(playbook.actions.values())
    low, high = _interval(gains)
    sources = [
        f"learnt: {a.save_rate.campaign}" if a.save_rate.campaign else a.save_rate.source for a in rules
    ]
    rows = {
        "customer_id": scores["customer_id"].astype("string").array,
        "as_of": scores["as_of"].astype("string").array,
        "horizon_days": scores["horizon_days"].to_numpy(dtype="int64"),
        "plan_id": text(None),
        "campaign": text(playbook.campaign),
        "action": named(list(gains.actions)),
        "group": text(np.array([None, TREATED, CONTROL], dtype=object)[planned * (1 + decided.held)]),
        "channel": named([action.channel for action in rules]),
        "why": text(decided.why),
        "expected_gain": of_action(gains.gain(), 0.0, 4),
        "expected_gain_low": of_action(low, 0.0, 4),
        "expected_gain_high": of_action(high, 0.0, 4),
        "expected_cost": of_action(gains.cost(), 0.0, 4),
        "save_rate": of_action(gains.save_rate, np.nan, 6),
        "save_rate_sd": of_action(gains.save_rate_sd, np.nan, 6),
        "save_rate_source": named(sources),
        "break_even_save_rate": of_action(gains.break_even(), np.nan, 6),
        "value_if_kept": np.round(gains.value, 2),
        **{name: scores[name].to_numpy() for name in _NUMBERS},
        **{name: scores[name].astype("string").array for name in ("value_tier", "segment")},
        "unit": units_of(scores, playbook).array,
        **{name: scores[name].astype("string").array for name in ("model_version", "run_id")},
    }
    order = np.lexsort((-rows["clv"], -rows["expected_gain"], ~planned))
    # Column by column, so that the table is never held twice.
    return pd.DataFrame({name: rows.pop(name).take(order) for name in NAMES}, copy=False)


def _interval(gains: Gains) -> tuple[Array, Array]:
    """Return the 80 % interval of each gain: of the save rate, and of how much all customers together spend."""
    spread = np.hypot(
        gains.save_rate_sd * gains.at_stake, LEVEL_SPREAD * gains.save_rate * gains.p_churn * gains.value
    )
    gain = gains.gain()
    return gain - REACH * spread, gain + REACH * spread


def _why(gains: Gains, may: Eligibility, found: Allocation, full: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return why nothing is planned for a customer, shape (n,); None where something is."""
    p, gain = gains.p_churn, gains.gain()
    pays = may.allowed & (gain > 0)
    # What would be chosen at the price of money, a full cap has refused.
    wanted = pays & (gain > found.price * gains.cost()) & full[:, None]
    why = np.select(
        [
            found.choice >= 0,
            may.why != "",
            wanted.any(axis=0),
            pays.any(axis=0),
            p < _STAYS_BELOW,
            p >= _LOST_FROM,
        ],
        ["", may.why, CAP_FULL, BUDGET_SPENT, STAYS, LOST],
        default=TOO_LITTLE,
    ).astype(object)
    why[why == ""] = None
    return why
