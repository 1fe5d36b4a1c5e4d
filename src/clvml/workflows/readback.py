"""Reading a campaign back: a plan and what its customers did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from clvml.config import ValueConfig
from clvml.customers.subscription_snapshots import known_at, subscription_labels, subscription_revenue
from clvml.decide.eligibility import contact_days, read_customers
from clvml.decide.plan import Plan
from clvml.decide.plan_file import TREATED, PlanRecord, read_plan
from clvml.decide.playbook import Playbook, read_playbook
from clvml.errors import InputError, first_of
from clvml.log import PurchaseLog
from clvml.log.finding import Finding
from clvml.log.subscriptions import SubscriptionLog
from clvml.outcomes.campaign import (
    Activity,
    check_window,
    contact_findings,
    incentive_findings,
    outcomes,
    overlap_findings,
    ratio_findings,
    weightiest_first,
)
from clvml.outcomes.readback import Readback, read_back
from clvml.scores.scorer import customer_days
from clvml.workflows.preparation import Prepared, silence_note

_CONTACTS, _REDEEMED = "contacts", "redeemed incentives"


def readback(
    plan: Plan | str | PathLike[str],
    prepared: Prepared[PurchaseLog] | Prepared[SubscriptionLog],
    value: ValueConfig,
    contacted: pd.DataFrame | str | PathLike[str] | None = None,
    redeemed: pd.DataFrame | str | PathLike[str] | None = None,
    discounted: bool = False,
    beside: Sequence[Plan | str | PathLike[str]] = (),
    playbook: Playbook | str | PathLike[str] | None = None,
    grace_days: int = 0,
) -> Readback:
    """Return what the campaign of a plan did.

    Parameters
    ----------
    plan : Plan, str or Path
        The plan, or the file that `clvml plan` wrote, with its record beside it.
    prepared : Prepared
        The purchase log or table of subscriptions, continued to the end of the plan's window. A subscriber has stayed
        who is subscribed at that end.
    value : ValueConfig
        What is earned of net money: a share, or each customer's own as known when the plan was made.
    contacted : DataFrame, str or Path, optional
        Who was contacted, or the file: ``customer_id, contact_date`` and optionally ``campaign``.
    redeemed : DataFrame, str or Path, optional
        Who took an incentive up, or the file: ``customer_id``.
    discounted : bool
        Amounts of the log are already less the incentives.
    beside : sequence of Plan, str or Path
        Plans of other campaigns of the time.
    playbook : Playbook, str or Path, optional
        What is to be updated, or its file; by default what the plan was made with.
    grace_days : int
        Of subscriptions: who subscribes anew within so many days after the window has stayed.

    Raises
    ------
    InputError
        The plan was changed, stands among ``beside`` or holds no control group, the window is not over, the data is of
        other customers, too few were planned, or a file cannot be read.
    """
    table, record = _plan(plan)
    # Before the work on the log.
    contacts = (
        None
        if contacted is None
        else _customers(contacted, ["customer_id", "contact_date"], _CONTACTS, table)
    )
    takers = None if redeemed is None else _customers(redeemed, ["customer_id"], _REDEEMED, table)
    others = [_plan(each) for each in beside]
    if any(theirs.plan_id == record.plan_id for _, theirs in others):
        raise InputError(
            f"the plan of campaign '{record.campaign}' stands among the plans of other campaigns; leave it out there"
        )
    if isinstance(playbook, str | PathLike):
        playbook = read_playbook(Path(playbook))
    start, until = record.as_of, record.until
    planned = table[table["action"].notna()]
    if planned.empty:
        raise InputError("the plan treats nobody: there is nothing to read back")
    if (planned["group"] == TREATED).all():
        raise InputError(
            "the plan holds nobody out: what its campaign did cannot be told from what would have happened anyway; plan"
            " the next one with control.share above 0"
        )
    log = prepared.log
    subscribers = isinstance(log, SubscriptionLog)
    if isinstance(log, SubscriptionLog):
        needed = until + timedelta(days=grace_days)
        if prepared.as_of < needed:
            grace = (
                f", and who subscribes anew within {grace_days} days after it has stayed"
                if grace_days
                else ""
            )
            raise InputError(
                f"the window of the plan ends on {until}{grace}: data up to {needed - timedelta(days=1)} is needed"
                f" (--as-of {needed}), and it ends before {prepared.as_of}; read back later, or give newer data"
            )
        frame = known_at(log.frame, prepared.as_of)
        names = frame.loc[frame["start"] < pd.Timestamp(start), "customer_id"]
        labels = _subscriber_labels(frame, start, record.horizon_days, grace_days)
    else:
        check_window(record, prepared.as_of)
        names = log.connection.execute(
            f"select distinct customer_id from {log.table} where order_day < ?", [start]
        ).df()["customer_id"]
        labels = customer_days(log).labels(start, record.horizon_days)
    activity = Activity(log.first_day, frozenset(names), labels)
    found, findings = outcomes(planned, activity)
    findings += [
        Finding("old-scores", f"when it was planned, {note}") for note in record.summary.get("age", [])
    ]
    if not subscribers and (note := silence_note(log.last_day, prepared.as_of)):
        findings.append(Finding("silence", note))
    findings += ratio_findings(found, planned)
    if contacts is not None:
        days = contact_days(contacts, _CONTACTS)
        inside = (days >= np.datetime64(start)) & (days < np.datetime64(until))
        findings += contact_findings(found, contacts[inside], record.campaign)
        if not inside.any():
            findings.append(
                Finding(
                    "no-contact-in-window",
                    f"none of the {len(contacts):,} contacts is dated from {start} to {until - timedelta(days=1)}: who"
                    " was contacted is not known",
                )
            )
    if takers is not None:
        findings += incentive_findings(found, takers["customer_id"])
    for other, theirs in others:
        if theirs.as_of < until and start < theirs.until:
            reached = other.loc[other["group"] == TREATED, "customer_id"]
            findings += overlap_findings(found, reached, theirs.campaign)
    return read_back(
        found,
        record,
        until,
        value.margin,
        None if takers is None else frozenset(takers["customer_id"]),
        discounted,
        weightiest_first(findings),
        playbook,
        None if subscribers else prepared.margins(value, start),
        subscribers,
    )


def _subscriber_labels(frame: pd.DataFrame, start: date, horizon_days: int, grace_days: int) -> pd.DataFrame:
    """Return `Activity.labels` of subscribers: ``purchases`` is 1 of who is subscribed at the end of the window."""
    churned, _ = subscription_labels(frame, start, horizon_days, grace_days)
    earned = subscription_revenue(frame, start, horizon_days).reindex(churned.index).fillna(0.0)
    return (
        pd.DataFrame({"purchases": 1 - churned, "actual_spend": earned})
        .rename_axis("customer_id")
        .reset_index()
    )


def _plan(plan: Plan | str | PathLike[str]) -> tuple[pd.DataFrame, PlanRecord]:
    return (plan.table, plan.record) if isinstance(plan, Plan) else read_plan(Path(plan))


def _customers(
    given: pd.DataFrame | str | PathLike[str], needed: list[str], what: str, plan: pd.DataFrame
) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        missing = [name for name in needed if name not in given.columns]
        if missing:
            raise InputError(
                f"{what}: the frame lacks {', '.join(missing)}; it has {first_of(given.columns)}"
            )
        given = given.assign(customer_id=given["customer_id"].astype("string"))
    else:
        given = read_customers(str(given), needed, what)
    ids = given["customer_id"].dropna()
    alike = _folded(ids).isin(_folded(plan["customer_id"])).any()
    # Other campaigns may have reached others; who redeemed an incentive was planned.
    if len(ids) and (alike or what == _REDEEMED) and not ids.isin(plan["customer_id"]).any():
        raise InputError(
            f"{what}: none of the customers ({ids.nunique():,}) is in the plan, which writes ids as"
            f" '{plan['customer_id'].iloc[0]}', and not as '{ids.iloc[0]}'; write them alike"
        )
    return given


def _folded(ids: pd.Series) -> pd.Series:
    """Return ids without capitals, zeros in front of digits and the .0 of a spreadsheet's numbers."""
    return ids.astype("string").str.casefold().str.replace(r"(?<!\d)0+(?=\d)|\.0$", "", regex=True)
