"""Readback: what a campaign did, held against its control group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from clvml.decide.plan_file import CONTROL, TREATED, PlanRecord
from clvml.decide.playbook import Action, Effect, Playbook, SaveRate
from clvml.decide.power import Z
from clvml.decide.shrinkage import update
from clvml.errors import InputError
from clvml.log.finding import Finding
from clvml.outcomes.effects import CAPPED_AT, Difference, capped, compare, holm, p_value
from clvml.outcomes.sentences import ALL, sentence

# Fewer on either side tell nothing: the interval of a mean is not to be trusted.
LEAST_GROUP = 30
MEASURES = {
    "retention": "bought again in the window",
    "money": "net money per customer, mean: what the campaign did to the total",
    "money_capped": f"net money per customer, capped at the {CAPPED_AT:.0%} quantile: what it did to all but the"
    " largest customers",
}


@dataclass(frozen=True)
class Profit:
    """What an action brought after its costs, over the window [currency].

    Attributes
    ----------
    margin : float
        Margin of the difference in net money, times the treated.
    profit, low, high : float
        With the 95 % interval, which is that of the money.
    p_holm : float
        Of no profit and no loss; holds for all actions together.
    expected, expected_now : float
        Gain of the treated as the plan expected it, and by the save rates that are believed now; over the value
        horizon, not over the window.
    """

    action: str
    treated: int
    margin: float
    contact_cost: float
    incentive_cost: float
    profit: float
    low: float
    high: float
    p_holm: float
    expected: float
    expected_now: float


@dataclass(frozen=True)
class Learnt:
    """A save rate before and after the campaign.

    Attributes
    ----------
    where : str
        Whose save rate, as a rule; empty: of all others.
    planned, believed, seen, now : tuple of float
        Mean and standard deviation: in the plan, in the playbook before the readback, in the campaign, and both
        together.
    """

    action: str
    where: str
    planned: tuple[float, float]
    believed: tuple[float, float]
    seen: tuple[float, float]
    now: tuple[float, float]


@dataclass(frozen=True, repr=False)
class Readback:
    """What a campaign did.

    Attributes
    ----------
    as_of, until : date
        The window, half-open.
    effects : DataFrame
        One row per action, segment (``all``: the whole action) and measure (`MEASURES`): ``action, segment, measure,
        treated, control, mean_treated, mean_control, difference, standard_error, low, high, p_value, p_holm,
        variance_removed``. ``p_holm`` holds for all actions together, or for all segments of all actions. What too few
        customers tell is missing.
    profits : list of Profit
        Per action, and of the whole campaign (``all``) where there are several.
    findings : list of Finding
        What to know before the figures are believed, the weightiest first.
    playbook : Playbook
        With the save rates as they are believed now.
    """

    campaign: str
    plan_id: str
    as_of: date
    until: date
    currency: str | None
    effects: pd.DataFrame
    profits: list[Profit]
    learnt: list[Learnt]
    findings: list[Finding]
    playbook: Playbook = field(repr=False)
    subscribers: bool = False

    @property
    def measures(self) -> dict[str, str]:
        """What is measured, by the names in ``effects``."""
        own = {
            "retention": "subscribed at the end of the window",
            "money": "revenue per subscriber, mean: what the campaign did to the total",
            "money_capped": MEASURES["money_capped"].replace(
                "net money per customer", "revenue per subscriber"
            ),
        }
        return {**MEASURES, **own} if self.subscribers else dict(MEASURES)

    @property
    def sentences(self) -> list[str]:
        """What each action did and whether it paid, in one sentence each; then all together."""
        return [sentence(self, profit) for profit in self.profits]

    def __repr__(self) -> str:
        doubts = [f"Before you believe it: {finding.text}" for finding in self.findings]
        return "\n".join(
            [f"Campaign '{self.campaign}', {self.as_of} to {self.until}", *self.sentences, *doubts]
        )

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in repr(self).split("\n"))
        # Of whole actions; `effects` has their segments.
        names = ["action", "measure", "treated", "control", "mean_treated", "mean_control"]
        shown = self.effects.loc[
            self.effects["segment"] == ALL, [*names, "difference", "low", "high", "p_holm"]
        ]
        return f"{lines}{shown.to_html(index=False, float_format='{:,.4g}'.format, na_rep='–')}"

    def effect(self, action: str, measure: str, segment: str = ALL) -> dict[str, Any]:
        """Return one row of ``effects``."""
        chosen = self.effects
        for name, value in (("action", action), ("segment", segment), ("measure", measure)):
            chosen = chosen[chosen[name] == value]
        return {str(name): value for name, value in chosen.iloc[0].items()}


def read_back(
    outcome: pd.DataFrame,
    record: PlanRecord,
    until: date,
    margin: float,
    redeemed: frozenset[str] | None = None,
    discounted: bool = False,
    findings: Sequence[Finding] = (),
    playbook: Playbook | None = None,
    own_margins: pd.Series | None = None,
    subscribers: bool = False,
) -> Readback:
    """Compare the treated with the control group, as they were planned (intention to treat).

    Parameters
    ----------
    outcome : DataFrame
        One row per planned customer whose outcome is known: the plan's ``customer_id, action, group, segment, unit,
        p_churn, expected_spend, expected_gain, save_rate, save_rate_sd``; and ``stayed`` (0 or 1), ``spent``
        [currency, net of refunds].
    record : PlanRecord
        What the plan was made with.
    until : date
        End of the window.
    margin : float
        Share of net money that is earned.
    redeemed : frozenset of str, optional
        Customers who took an incentive up; without them the playbook's rate counts, of those who bought.
    discounted : bool
        Amounts of the log are already less the incentives, which then cost nothing more.
    findings : sequence of Finding
        What is known about the data already.
    playbook : Playbook, optional
        What is believed by now and is to be updated; by default what was when the plan was made.
    own_margins : Series, optional
        What is earned of each customer, by customer id, as known before the campaign; ``margin`` where it is not.
    subscribers : bool
        To stay is to be subscribed at the end of the window.

    Raises
    ------
    InputError
        No action has enough customers on both sides, or the playbook has learnt from the campaign already.
    """
    current = playbook or record.playbook
    _check_new(current, record)
    actions = [name for name in record.playbook.actions if (outcome["action"] == name).any()]
    effects = pd.DataFrame([row for action in actions for row in _rows(outcome, action)])
    whole = effects["segment"] == ALL
    told = effects["difference"].notna()
    if not (whole & told).any():
        sizes = outcome["group"].value_counts()
        raise InputError(
            f"{sizes.get(CONTROL, 0):,} customers were held out and {sizes.get(TREATED, 0):,} treated, and no action"
            f" has {LEAST_GROUP} of each: too few to tell an effect from chance; plan with a larger control.share or a"
            " larger budget"
        )
    effects["p_holm"] = np.nan
    for measure in MEASURES:
        for family in (whole, ~whole):
            own = family & (effects["measure"] == measure)
            effects.loc[own, "p_holm"] = holm(effects.loc[own, "p_value"])
    learnt = [
        found
        for name in actions
        if name in current.actions
        for found in _learnt(outcome, name, record.playbook.actions[name], current.actions[name])
    ]
    earned = outcome["customer_id"].astype(str).map({} if own_margins is None else own_margins).fillna(margin)
    in_margin = outcome.assign(**{name: outcome[name] * earned for name in ("spent", "expected_spend")})
    told_of = effects.loc[whole & told & (effects["measure"] == "money"), "action"].tolist()
    profits = []
    for name in told_of:
        own, action = in_margin[in_margin["action"] == name], record.playbook.actions[name]
        profits.append(_profit(own, action, redeemed, discounted, learnt))
    adjusted = holm([profit.p_holm for profit in profits])
    profits = [replace(profit, p_holm=float(p)) for profit, p in zip(profits, adjusted, strict=True)]
    few = [name for name in actions if name not in told_of]
    if few:
        findings = [*findings, _too_few(outcome, few)]
    return Readback(
        campaign=record.campaign,
        plan_id=record.plan_id,
        as_of=record.as_of,
        until=until,
        currency=record.currency,
        effects=effects,
        profits=profits + ([_together(profits)] if len(profits) > 1 else []),
        learnt=learnt,
        findings=list(findings),
        playbook=_updated(current, record.campaign, learnt),
        subscribers=subscribers,
    )


def _rows(outcome: pd.DataFrame, action: str) -> Iterator[dict[str, Any]]:
    own = outcome[outcome["action"] == action]
    segments = sorted(own["segment"].dropna().unique())
    parts = [(ALL, own), *((name, own[own["segment"] == name]) for name in segments if len(segments) > 1)]
    for segment, part in parts:
        for measure in MEASURES:
            sizes = _sizes(part)
            told = min(sizes) >= LEAST_GROUP
            found = (
                vars(_difference(part, measure))
                if told
                else dict(zip(("treated", "control"), sizes, strict=True))
            )
            yield {
                **dict.fromkeys(Difference.__dataclass_fields__, np.nan),
                "action": action,
                "segment": segment,
                "measure": measure,
                **found,
            }


def _sizes(part: pd.DataFrame) -> tuple[int, int]:
    treated = int((part["group"] == TREATED).sum())
    return treated, len(part) - treated


def _difference(part: pd.DataFrame, measure: str) -> Difference:
    if measure == "retention":
        values, spend = part["stayed"].to_numpy(dtype=float), part["expected_spend"].to_numpy(dtype=float)
    elif measure == "money":
        values, spend = part["spent"].to_numpy(dtype=float), part["expected_spend"].to_numpy(dtype=float)
    else:
        values, spend = capped(part["spent"]), capped(part["expected_spend"])
    known = np.column_stack([spend, part["p_churn"].to_numpy(dtype=float)])
    return compare(values, (part["group"] == TREATED).to_numpy(), known, part["unit"].to_numpy())


def _profit(
    own: pd.DataFrame,
    action: Action,
    redeemed: frozenset[str] | None,
    discounted: bool,
    learnt: Sequence[Learnt],
) -> Profit:
    """Return what an action brought; ``own`` are its customers, their spend in margin."""
    name = str(own["action"].iloc[0])
    treated = own[own["group"] == TREATED]
    money = _difference(own, "money")
    taken = float((treated["stayed"] > 0).sum()) * action.redeem_rate
    if redeemed is not None:
        taken = float(treated["customer_id"].isin(redeemed).sum())
    contact = action.contact_cost * len(treated)
    incentive = 0.0 if discounted else action.incentive_cost * taken
    earned, low, high = (end * len(treated) for end in (money.difference, money.low, money.high))
    cost = contact + incentive
    return Profit(
        action=name,
        treated=len(treated),
        margin=earned,
        contact_cost=contact,
        incentive_cost=incentive,
        profit=earned - cost,
        low=low - cost,
        high=high - cost,
        # The costs are known: what chance leaves open is the money.
        p_holm=p_value(earned - cost, money.standard_error * len(treated), len(own) - 2),
        expected=float(treated["expected_gain"].sum()),
        expected_now=_expected_now(treated, action, [each for each in learnt if each.action == name]),
    )


def _expected_now(treated: pd.DataFrame, action: Action, learnt: Sequence[Learnt]) -> float:
    """Return the gain that would be expected of the same customers with the save rates that are believed now."""
    moved = np.zeros(len(treated))
    for each in learnt:
        moved[_believed(treated, *each.planned)] = each.now[0] - each.planned[0]
    at_stake = treated["p_churn"] * (treated["value_if_kept"] - action.incentive_cost * action.redeem_rate)
    return float((treated["expected_gain"] + moved * at_stake).sum())


def _together(profits: Sequence[Profit]) -> Profit:
    """Return the whole campaign: chance is independent between actions, so that their errors partly cancel."""
    parts = ("treated", "margin", "contact_cost", "incentive_cost", "profit", "expected", "expected_now")
    total = {name: sum(getattr(each, name) for each in profits) for name in parts}
    half_width = float(np.sqrt(sum(((each.high - each.low) / 2.0) ** 2 for each in profits)))
    low, high = total["profit"] - half_width, total["profit"] + half_width
    away = abs(total["profit"]) / half_width * Z if half_width > 0 else 0.0
    return Profit(ALL, low=low, high=high, p_holm=float(2.0 * ndtr(-away)), **total)


def _learnt(outcome: pd.DataFrame, name: str, action: Action, current: Action) -> Iterator[Learnt]:
    """Yield each save rate of an action, before and after.

    An action that keeps a share of those who would leave moves retention by that share of the mean ``p_churn``.
    """
    own = outcome[outcome["action"] == name]
    now = _beliefs(current)
    for where, planned in _beliefs(action).items():
        part = own[_believed(own, planned.mean, planned.sd)]
        at_risk = float(part["p_churn"].mean()) if len(part) else 0.0
        if where not in now or min(_sizes(part)) < LEAST_GROUP or at_risk == 0.0:
            continue
        found = _difference(part, "retention")
        if found.standard_error == 0.0:
            # Everybody stayed or everybody left, treated or not.
            continue
        believed = now[where].mean, now[where].sd
        seen = found.difference / at_risk, found.standard_error / at_risk
        yield Learnt(name, where, (planned.mean, planned.sd), believed, seen, update(*believed, *seen))


def _beliefs(action: Action) -> dict[str, Effect]:
    """Return the save rates of an action by their rule; the one of all others by an empty text."""
    return {**{group.where: group for group in action.save_rate.by}, "": action.save_rate}


def _believed(rows: pd.DataFrame, mean: float, spread: float) -> NDArray[np.bool_]:
    """Return of which customers the plan believed a save rate, shape (n,)."""
    return np.asarray(
        np.isclose(rows["save_rate"], mean, atol=1e-6) & np.isclose(rows["save_rate_sd"], spread, atol=1e-6)
    )


def _check_new(playbook: Playbook, record: PlanRecord) -> None:
    for name, action in playbook.actions.items():
        planned = record.playbook.actions.get(name)
        told = action.save_rate.campaign == record.campaign
        # A campaign of the same name may have been held before: then the plan knew of it.
        if told and planned is not None and planned.save_rate.campaign != record.campaign:
            raise InputError(
                f"the playbook has learnt the save rate of '{name}' from campaign '{record.campaign}' already; counted"
                " twice it would look surer than it is. Give the playbook as it was before"
            )


def _updated(playbook: Playbook, campaign: str, learnt: Sequence[Learnt]) -> Playbook:
    actions: dict[str, Any] = dict(playbook.actions)
    for found in learnt:
        before = actions[found.action].save_rate
        mean, sd = round(min(max(found.now[0], -1.0), 1.0), 6), round(found.now[1], 6)
        if found.where:
            by = [
                group.model_copy(update={"mean": mean, "sd": sd}) if group.where == found.where else group
                for group in before.by
            ]
            now = before.model_copy(update={"by": by, "source": "learnt", "campaign": campaign})
        else:
            now = SaveRate(mean=mean, sd=sd, source="learnt", campaign=campaign, by=before.by)
        actions[found.action] = actions[found.action].model_copy(update={"save_rate": now})
    return playbook.model_copy(update={"actions": actions})


def _too_few(outcome: pd.DataFrame, names: Sequence[str]) -> Finding:
    said = []
    for name in names:
        treated, control = _sizes(outcome[outcome["action"] == name])
        said.append(f"{name} ({treated:,} treated, {control:,} held out)")
    return Finding(
        "too-few-customers",
        f"{', '.join(said)}: fewer than {LEAST_GROUP} on a side tell nothing; their save rates stay as they were",
    )
