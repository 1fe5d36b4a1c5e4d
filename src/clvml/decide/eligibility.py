"""Whom an action may go to: rules, opt-outs and past contacts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import SEGMENTS
from clvml.decide.playbook import Playbook
from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.table import days_of, read_table
from clvml.scores.rules import check_columns, matches

Flags = NDArray[np.bool_]

OPTED_OUT = "opted out"
RESTING = "contacted lately"
NOT_FOR = "no action is meant for them"


@dataclass(frozen=True)
class Eligibility:
    """Which action may go to which customer, and why none may.

    Attributes
    ----------
    allowed : ndarray of bool, shape (k, n)
        In the order of the playbook.
    why : ndarray of str, shape (n,)
        Why no action may; empty where one may.
    notes : list of str
        What is odd about the rules and the files.
    """

    allowed: Flags
    why: NDArray[np.object_]
    notes: list[str]


def eligible(
    scores: pd.DataFrame,
    playbook: Playbook,
    opt_outs: pd.DataFrame | None,
    contacts: pd.DataFrame | None,
    as_of: date,
    today: date,
) -> Eligibility:
    """Apply the rules of a playbook, opt-outs and past contacts.

    Parameters
    ----------
    scores : DataFrame
        The scored table.
    opt_outs : DataFrame, optional
        ``customer_id``, and ``channel`` where only that is refused.
    contacts : DataFrame, optional
        ``customer_id``, ``contact_date``.
    as_of : date
        When the campaign begins.
    today : date
        Contacts after it are refused.

    Raises
    ------
    InputError
        A rule, a segment or the control group's column does not fit the scores, or a contact is in the future.
    """
    check_columns([playbook.control.unit], scores.columns, "playbook, control.unit")
    ids = pd.Index(scores["customer_id"])
    meant = np.stack([_meant(scores, playbook, name) for name in playbook.actions])
    notes = [
        f"playbook, actions.{name}: nobody fits its where and segments; see that texts are written as in the scores"
        for name, own in zip(playbook.actions, meant, strict=True)
        if not own.any()
    ]
    refused = _refused(ids, playbook, opt_outs, notes)
    resting = _resting(ids, playbook, contacts, as_of, today, notes)
    allowed = meant & ~refused & ~resting
    none = ~allowed.any(axis=0)
    reached = meant & ~refused
    why = np.select(
        [~none, ~meant.any(axis=0), ~reached.any(axis=0)], ["", NOT_FOR, OPTED_OUT], default=RESTING
    ).astype(object)
    return Eligibility(allowed, why, notes)


def read_customers(path: str, needed: Iterable[str], what: str) -> pd.DataFrame:
    """Read a file of customers, such as opt-outs (any that `clvml.log.table` reads): every column as text.

    Raises
    ------
    InputError
        The file does not exist, cannot be read, or lacks a column of ``needed``.
    """
    table = read_table(path, what)
    for name in needed:
        if name not in table.columns:
            raise InputError(
                f"{what} file '{path}' has no column '{name}'{did_you_mean(name, map(str, table.columns))}; it has"
                f" {first_of(table.columns)}"
            )
    if "customer_id" not in table.columns:
        return table
    without = int(table["customer_id"].isna().sum())
    if without:
        raise InputError(f"{what} file '{Path(path)}': {without:,} rows have no customer_id; fill them in")
    return table


def _meant(scores: pd.DataFrame, playbook: Playbook, name: str) -> Flags:
    action, where = playbook.actions[name], f"playbook, actions.{name}"
    meant = np.ones(len(scores), dtype=bool)
    if action.segments is not None:
        known = {*SEGMENTS, *scores["segment"].dropna().unique()}
        for segment in action.segments:
            if segment not in known:
                raise InputError(
                    f"{where}: unknown segment '{segment}'{did_you_mean(segment, known)}; known:"
                    f" {first_of(sorted(known))}"
                )
        meant &= scores["segment"].isin(action.segments).to_numpy(dtype=bool)
    if action.where is not None:
        meant &= matches(scores, action.where, where)
    return meant


def _refused(ids: pd.Index, playbook: Playbook, opt_outs: pd.DataFrame | None, notes: list[str]) -> Flags:
    actions = list(playbook.actions.values())
    refused = np.zeros((len(actions), len(ids)), dtype=bool)
    if opt_outs is None:
        return refused
    _note_strangers(ids, opt_outs, "opt-outs", notes)
    channel = opt_outs["channel"] if "channel" in opt_outs else pd.Series(pd.NA, index=opt_outs.index)
    channel = channel.astype("string").map(plain_channel, na_action="ignore").astype("string")
    everything = channel.isna() | channel.isin(["", "all"])
    for place, action in enumerate(actions):
        own = opt_outs.loc[everything | (channel == plain_channel(action.channel)), "customer_id"]
        refused[place] = ids.isin(own)
    used = {plain_channel(action.channel): action.channel for action in actions}
    other = channel[~everything & ~channel.isin(list(used)).astype(bool)]
    if len(other):
        said, known = str(opt_outs["channel"][other.index[0]]), sorted(used.values())
        notes.append(
            f"opt-outs: {len(other):,} are of a channel that no action has, such as '{said}'{did_you_mean(said, known)}"
            f" (the actions have {', '.join(known)}), and keep nobody out"
        )
    return refused


def plain_channel(channel: str) -> str:
    """Return a channel as it is compared.

    >>> plain_channel(" E-Mail ")
    'email'
    """
    return "".join(letter for letter in channel.casefold() if letter.isalnum())


def _resting(
    ids: pd.Index,
    playbook: Playbook,
    contacts: pd.DataFrame | None,
    as_of: date,
    today: date,
    notes: list[str],
) -> Flags:
    actions = list(playbook.actions.values())
    resting = np.zeros((len(actions), len(ids)), dtype=bool)
    if contacts is None:
        if any(action.rest_days for action in actions):
            notes.append("rest_days have no effect: no file of past contacts is given (past_contacts)")
        return resting
    days = contact_days(contacts)
    late = days > np.datetime64(today)
    if late.any():
        customer = contacts["customer_id"].to_numpy()[late.argmax()]
        raise InputError(
            f"past contacts: {int(late.sum()):,} are dated after today, such as customer '{customer}' on"
            f" {days[late.argmax()]}; a contact that has not been cannot be counted: take them out"
        )
    _note_strangers(ids, contacts, "past contacts", notes)
    last = pd.Series(days).groupby(contacts["customer_id"].to_numpy()).max()
    since = (pd.Timestamp(as_of) - last.reindex(ids)).dt.days.to_numpy()
    for place, action in enumerate(actions):
        # A customer without a contact has rested; the comparison with a missing number is false.
        resting[place] = since < action.rest_days
    return resting


def contact_days(contacts: pd.DataFrame, what: str = "past contacts") -> NDArray[np.datetime64]:
    """Return the day of each contact, from its ``contact_date``, shape (n,); ``what`` they are stands in errors.

    Raises
    ------
    InputError
        One is missing or no date.
    """
    days = pd.Series(days_of(contacts["contact_date"], f"{what}: contact_date"))
    if days.isna().any():
        place = int(days.isna().to_numpy().argmax())
        got = contacts["contact_date"].iloc[place]
        shown = "nothing" if pd.isna(got) else f"'{got}'"
        raise InputError(
            f"{what}: contact_date of customer '{contacts['customer_id'].iloc[place]}' is {shown}; give dates as"
            " YYYY-MM-DD"
        )
    return days.to_numpy().astype("datetime64[D]")


def _note_strangers(ids: pd.Index, listed: pd.DataFrame, what: str, notes: list[str]) -> None:
    customers = pd.Index(listed["customer_id"].unique())
    strangers = customers[~customers.isin(ids)]
    if len(strangers):
        every = "none" if len(strangers) == len(customers) else f"{len(customers) - len(strangers):,}"
        notes.append(
            f"{what}: {every} of {len(customers):,} customers are among the scored ones; '{strangers[0]}' is not:"
            " see whether both files write ids alike"
        )
