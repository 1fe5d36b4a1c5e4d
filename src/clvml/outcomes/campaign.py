"""What became of the customers of a plan, and whether the comparison is a fair one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from clvml.decide.plan_file import CONTROL, TREATED, PlanRecord
from clvml.errors import InputError
from clvml.log.finding import Finding
from clvml.outcomes.effects import sample_ratio

# Group sizes less probable than that were not made by chance (Fabijan and others 2019).
_NO_CHANCE = 0.001
# From this share of planned customers without any earlier order on, the log is not the one of the plan.
_STRANGERS = 0.2
# Where so many of the control group were contacted, it is no longer a control group.
_SPOILT = 0.5


@dataclass(frozen=True)
class Activity:
    """What a purchase log says of the window of a plan.

    Attributes
    ----------
    first_day : date
        Of the log.
    known : frozenset of str
        Customers with a line before the window.
    labels : DataFrame
        ``customer_id, purchases, actual_spend``: one row per customer with a line in the window.
    """

    first_day: date
    known: frozenset[str]
    labels: pd.DataFrame


def check_window(record: PlanRecord, end: date) -> None:
    """Refuse data that ends before the window of the plan does.

    Raises
    ------
    InputError
        ``end``, the first day that the data does not cover, lies in the window or before it.
    """
    start, until = record.as_of, record.until
    if end <= start:
        raise InputError(
            f"the plan is as of {start} and the data ends before {end}: it holds nothing of the campaign's window; give"
            f" the log continued to {until - timedelta(days=1)}"
        )
    if end < until:
        raise InputError(
            f"the window of {record.horizon_days} days since {start} is over on {until}, and the data ends before {end}"
            f" ({(end - start).days} days): who has not bought yet still may. Read back with data up to"
            f" {until - timedelta(days=1)}; where the shop sold nothing on the last days, say --as-of {until}"
        )


def outcomes(plan: pd.DataFrame, activity: Activity) -> tuple[pd.DataFrame, list[Finding]]:
    """Return what each planned customer did, and what to know about it.

    A customer without a line in the window has left; one whom the log does not know from before the window is no
    customer of this log, and is left out: that was settled before the campaign, so that the groups stay alike.

    Parameters
    ----------
    plan : DataFrame
        The rows of a plan with an action.

    Returns
    -------
    DataFrame, list of Finding
        The plan's columns with ``stayed`` (0 or 1) and ``spent`` [currency, net of refunds], one row per planned
        customer that the log knows.

    Raises
    ------
    InputError
        The log knows none of the planned customers, or misses many of them.
    """
    findings: list[Finding] = []
    bought = activity.labels.set_index("customer_id").reindex(plan["customer_id"])
    found = plan.assign(
        stayed=(bought["purchases"].fillna(0).to_numpy() > 0).astype(float),
        spent=bought["actual_spend"].fillna(0.0).to_numpy(dtype=float),
    )
    seen = plan["customer_id"].isin(activity.known)
    if not seen.any() and bought["purchases"].isna().all():
        raise InputError(
            f"none of the {len(plan):,} planned customers is in the data; give the log that the scores were made from,"
            " with the same customer ids, continued to the end of the window"
        )
    start = pd.Timestamp(plan["as_of"].iloc[0]).date()
    if activity.first_day >= start:
        findings.append(
            Finding(
                "no-history",
                f"the data begins on {activity.first_day}, not before the plan ({start}): a customer without an order"
                " counts as left, and ids that the log does not know cannot be told from them",
            )
        )
        return found, findings
    strangers = int((~seen).sum())
    if strangers > _STRANGERS * len(plan):
        first = ", ".join(sorted(plan.loc[~seen, "customer_id"])[:3])
        raise InputError(
            f"{strangers:,} of the {len(plan):,} planned customers have no order before {start} in the data ({first},"
            " ...), though all of them were scored; give the log that the scores were made from, with the same customer"
            " ids, continued to the end of the window"
        )
    if strangers:
        findings.append(
            Finding(
                "unknown-customers",
                f"{strangers:,} planned customers have no order before {start} in the data and are left out: they were"
                " merged, deleted or written in another way since",
            )
        )
    return found[seen.to_numpy()], findings


def ratio_findings(found: pd.DataFrame, planned: pd.DataFrame) -> list[Finding]:
    """Say where more of one group are missing than chance would take from those that were ``planned``."""
    for action in [None, *sorted(found["action"].unique())]:
        treated, control = _drawn(found, action)
        drawn, held = _drawn(planned, action)
        if held > 0 and drawn > 0 and sample_ratio(treated, control, held / (drawn + held)) < _NO_CHANCE:
            return [
                Finding(
                    "sample-ratio",
                    f"{action or 'the campaign'}: {control:,} of {treated + control:,} are held out, where {held:,} of"
                    f" {drawn + held:,} were planned: something other than chance decided who is in the comparison. Do"
                    " not trust the difference before you know what; customers that were deleted or merged are the"
                    " usual reason",
                )
            ]
    return []


def _drawn(rows: pd.DataFrame, action: str | None) -> tuple[int, int]:
    """Return how many units of an action, or of all, are treated and held out; a household is drawn once."""
    own = rows if action is None else rows[rows["action"] == action]
    sizes = own.drop_duplicates(["unit", "group"])["group"].value_counts()
    return int(sizes.get(TREATED, 0)), int(sizes.get(CONTROL, 0))


def contact_findings(found: pd.DataFrame, contacts: pd.DataFrame, campaign: str) -> list[Finding]:
    """Say who was contacted in the window and should not have been, and what else ran at the time.

    Parameters
    ----------
    found : DataFrame
        See `outcomes`.
    contacts : DataFrame
        ``customer_id`` of each contact in the window, and optionally ``campaign``; one row per contact.
    campaign : str
        Name of the campaign that is read back.

    Raises
    ------
    InputError
        Half of the control group or more was contacted by this campaign.
    """
    of_campaign = contacts["campaign"].fillna(campaign) if "campaign" in contacts else campaign
    contacts = contacts.assign(campaign=of_campaign)
    own = contacts["campaign"] == campaign
    reached = set(contacts.loc[own, "customer_id"])
    said = []
    groups = {name: found.loc[found["group"] == name, "customer_id"] for name in (TREATED, CONTROL)}
    spoilt = int(groups[CONTROL].isin(reached).sum())
    if spoilt and spoilt >= _SPOILT * len(groups[CONTROL]):
        raise InputError(
            f"{spoilt:,} of the {len(groups[CONTROL]):,} customers that were held out were contacted all the same:"
            " there is no control group, and the campaign cannot be read back; send the next one by the lists of the"
            " plan"
        )
    if spoilt:
        said.append(
            Finding(
                "control-contacted",
                f"{spoilt:,} of the {len(groups[CONTROL]):,} customers that were held out were contacted all the same."
                " They stay in the control group, as planned, and make the effect look smaller than it is",
            )
        )
    missed = int((~groups[TREATED].isin(reached)).sum())
    if reached and missed:
        said.append(
            Finding(
                "treated-missed",
                f"{missed:,} of the {len(groups[TREATED]):,} customers to be treated were not contacted. They stay"
                " among the treated, as planned: the effect is that of sending to all of them",
            )
        )
    for name, rows in sorted(contacts[~own].groupby("campaign"), key=lambda pair: str(pair[0])):
        said += overlap_findings(found, rows["customer_id"], str(name))
    return said


def incentive_findings(found: pd.DataFrame, takers: pd.Series) -> list[Finding]:
    """Say how many of the control group took an incentive up; ``takers`` are ids, ``found`` is as in `outcomes`."""
    held = found.loc[found["group"] == CONTROL, "customer_id"]
    leaked = int(held.isin(takers).sum())
    if not leaked:
        return []
    return [
        Finding(
            "control-redeemed",
            f"{leaked:,} of the {len(held):,} customers that were held out took an incentive up all the same. They stay"
            " in the control group, as planned, and make the effect look smaller than it is",
        )
    ]


def overlap_findings(found: pd.DataFrame, reached: Iterable[str], campaign: str) -> list[Finding]:
    """Say whether another campaign of the time reached the treated and the control group alike."""
    hit = found["customer_id"].isin(set(reached))
    treated = found["group"] == TREATED
    both = int((hit & treated).sum()), int((hit & ~treated).sum())
    if not sum(both):
        return []
    shares = both[0] / max(int(treated.sum()), 1), both[1] / max(int((~treated).sum()), 1)
    fair = sample_ratio(both[0], both[1], float((~treated).mean())) >= _NO_CHANCE
    told = f"campaign '{campaign}' reached {shares[0]:.0%} of the treated and {shares[1]:.0%} of the control group"
    if fair:
        return [Finding("overlap", f"{told} in the same days: alike, so that the difference stays fair")]
    return [
        Finding(
            "overlap-unfair",
            f"{told} in the same days: not alike, so that the difference is that of both campaigns together",
        )
    ]


def weightiest_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with those first that make the comparison unfair."""
    grave = ("sample-ratio", "overlap-unfair", "control-contacted", "control-redeemed")
    return sorted(findings, key=lambda found: grave.index(found.code) if found.code in grave else len(grave))
