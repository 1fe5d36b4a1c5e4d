"""Target lists: one table per action with the columns that an e-mail or CRM tool takes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import pandas as pd
import yaml

from clvml.decide.eligibility import plain_channel
from clvml.decide.plan_file import TREATED
from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.matching.keys import e164

# What a list says of the plan; none of it is personal.
_OF_PLAN = ("customer_id", "campaign", "action")
# Without what a channel reaches customers by, a list of it is of no use.
_REACHED_BY = {"email": "email", "phone": "phone", "sms": "phone", "whatsapp": "phone"}


def presets() -> list[str]:
    """Return the tools that lists can be made for."""
    folder = files("clvml.decide") / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def target_lists(
    plan: pd.DataFrame,
    contacts: pd.DataFrame | None = None,
    preset: str = "generic",
    fields: Sequence[str] = (),
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return a list for each action of a plan: the treated customers, never the control group.

    Parameters
    ----------
    plan : DataFrame
        `clvml.decide.plan_file.PLAN_COLUMNS`.
    contacts : DataFrame, optional
        ``customer_id`` and how to reach each customer: ``email``, ``phone``, ``first_name``, ...
    preset : str
        Whose names the columns get: one of `presets`.
    fields : sequence of str
        Columns of ``contacts`` that are wanted besides the one by which the channel reaches customers. No other
        personal data comes into a list.

    Returns
    -------
    dict of str to DataFrame
        By action; customers who cannot be reached are left out.
    list of str
        How many were left out, and why.

    Raises
    ------
    InputError
        There is no such preset, ``contacts`` lacks a field or has a customer twice.
    """
    names = _columns(preset)
    if contacts is not None and contacts["customer_id"].duplicated().any():
        twice = contacts.loc[contacts["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise InputError(f"contacts hold customer '{twice}' twice; keep one row per customer")
    lists, notes = {}, []
    for action, own in plan[plan["group"] == TREATED].groupby("action", sort=False):
        channel = str(own["channel"].iloc[0])
        by = _REACHED_BY.get(plain_channel(channel)) if contacts is not None else None
        asked = list(dict.fromkeys([*([by] if by else []), *fields]))
        _check_fields(contacts, asked, str(action), channel)
        listed = own[list(_OF_PLAN)]
        if contacts is not None:
            own = contacts[contacts["customer_id"].isin(listed["customer_id"])]
            if "phone" in asked:
                phones, national = _international(own)
                own = own.assign(phone=phones)
                if national:
                    notes.append(
                        f"list '{action}': phone numbers without a country code: {national:,}; tools refuse them: write"
                        " them as +44..., or add a column 'country' (GB, DE, ...) to the contacts"
                    )
            listed = listed.merge(own[["customer_id", *asked]], on="customer_id", how="left")
        if by:
            reached = listed[by].notna() & (listed[by] != "")
            once = ~listed[by].str.casefold().duplicated()
            for left_out, why in (
                (~reached, f"no {by}"),
                (reached & ~once, f"the {by} of another"),
            ):
                if left_out.any():
                    notes.append(
                        f"list '{action}' leaves out {int(left_out.sum()):,} of {len(listed):,}: {why}"
                    )
            listed = listed[reached & once]
            if names:
                # Klaviyo wants the address in the first column, and the others take it there.
                listed = listed[[by, *listed.columns.drop(by)]]
        lists[str(action)] = listed.rename(columns=names).reset_index(drop=True)
    return lists, notes


def refuse_strangers(contacts: pd.DataFrame, scored: pd.Series) -> None:
    """Refuse contacts of which none is a scored customer: every list would be empty.

    Raises
    ------
    InputError
        No ``customer_id`` of ``contacts`` is among those that are ``scored``.
    """
    ids = contacts["customer_id"]
    if len(ids) and len(scored) and not ids.isin(scored).any():
        raise InputError(
            f"contacts: none of their {len(ids):,} customers is among the scored ones, which are written as"
            f" '{scored.iloc[0]}', and not as '{ids.iloc[0]}'; write them alike"
        )


def _columns(preset: str) -> dict[str, str]:
    known = presets()
    if preset not in known:
        raise InputError(f"unknown preset '{preset}'{did_you_mean(preset, known)}; known: {', '.join(known)}")
    text = (files("clvml.decide") / "presets" / f"{preset}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["columns"])


def _check_fields(contacts: pd.DataFrame | None, asked: Sequence[str], action: str, channel: str) -> None:
    if asked and contacts is None:
        raise InputError(
            f"fields {', '.join(asked)} are asked for and no contacts are given; add --contacts FILE"
        )
    for name in asked:
        if contacts is not None and name not in contacts.columns:
            raise InputError(
                f"contacts have no column '{name}'{did_you_mean(name, map(str, contacts.columns))}, which the list of"
                f" '{action}' ({channel}) needs; they have {first_of(contacts.columns)}"
            )


def _international(contacts: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return the phone numbers as tools take them, E.164, and how many have no country code and get none.

    A number without one is read as its customer's ``country`` writes it, where contacts hold ISO codes.
    """
    countries = contacts.get("country", pd.Series(pd.NA, contacts.index, dtype="string"))
    regions = [code.strip().upper() if isinstance(code, str) else None for code in countries]
    pairs = zip(contacts["phone"], regions, strict=True)
    found = [e164(number, region) if isinstance(number, str) else "" for number, region in pairs]
    written = pd.Series(found, contacts.index, dtype="string")
    national = contacts["phone"].notna() & (contacts["phone"] != "") & (written == "")
    return written.where(~national, contacts["phone"]), int(national.sum())
