"""Plans and readbacks in MLflow: runs beside the model whose scores they used, and what each campaign earned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import pandas as pd

from clvml.decide.plan_file import PlanRecord
from clvml.decide.playbook import playbook_text
from clvml.outcomes.readback import Readback
from clvml.outcomes.sentences import ALL
from clvml.tracking.beside import log_beside
from clvml.tracking.past import champion_of
from clvml.tracking.record import KIND_TAG, PLAN, READBACK
from clvml.tracking.registry import find_run, search_versions
from clvml.tracking.session import Store, all_pages, open_store


@dataclass(frozen=True)
class Campaign:
    """A plan in the store, and what it earned where it was read back.

    Attributes
    ----------
    as_of, until : str
        The window, half-open.
    currency : str
        Empty where it is not known.
    cost : float
        Of those who were treated: as expected, or as it came [currency].
    expected : float
        Profit of those who were treated as the plan expected it, over the value horizon [currency].
    earned, low, high : float
        Profit after cost over the window, with its 95% interval [currency]; NaN: not read back.
    """

    campaign: str
    plan_id: str
    model_version: str
    as_of: str
    until: str
    currency: str
    treated: int
    control: int
    cost: float
    expected: float
    earned: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def is_read_back(self) -> bool:
        return math.isfinite(self.earned)


def log_plan(record: PlanRecord, uri: str) -> tuple[str, list[str]]:
    """Log a plan beside the training of its model; return the run's id, and what to know about the model.

    The customers stay in the plan's file; the run has its figures, its playbook and its id. A plan that is in the
    store is not logged again.

    Raises
    ------
    InputError
        The training is not in the store, or the store cannot be used.
    """
    summary, unit = record.summary, f" {record.currency}" if record.currency else ""
    limit = "no limit" if record.budget is None else f"a budget of {record.budget:,.2f}{unit}"
    numbers = ("planned", "treated", "control", "cost", "cost_treated", "profit", "profit_low", "profit_high",
               "profit_treated", "holding_out_costs", "bound", "gap", "next_unit_brings")  # fmt: skip
    with open_store(uri, must_exist=True) as store:
        training = find_run(store, record.run_id)
        known = store.client.search_runs(
            [training.info.experiment_id],
            f"tags.`{KIND_TAG}` = '{PLAN}' and tags.plan_id = '{record.plan_id}' and attributes.status = 'FINISHED'",
        )
        if known:
            return str(known[0].info.run_id), _newer_champion(store, record.run_id)
        run_id = log_beside(
            store,
            record.run_id,
            kind=PLAN,
            name=f"plan {record.campaign}",
            note=f"{summary['planned']:,} of {summary['customers']:,} customers planned, {summary['control']:,} held"
            f" out: {summary['cost']:,.2f}{unit} of {limit}, expected to bring {summary['profit']:,.2f}{unit}"
            f" ({summary['profit_low']:,.2f} to {summary['profit_high']:,.2f}, 80%).",
            tags=_tags(record),
            metrics={name: float(summary[name]) for name in numbers}
            | ({} if record.budget is None else {"budget": record.budget}),
            files={
                "plan.json": f"{record.model_dump_json(indent=1)}\n",
                "playbook.yaml": playbook_text(record.playbook),
                "actions.csv": pd.DataFrame(summary["actions"]).to_csv(index=False),
                "curve.csv": pd.DataFrame(summary["curve"]).to_csv(index=False),
            },
            version_tags={"planned": f"{record.campaign} ({record.plan_id})"},
        )
        return run_id, _newer_champion(store, record.run_id)


def log_readback(found: Readback, record: PlanRecord, uri: str) -> str:
    """Log what a campaign did beside the training of its model, and return the run's id.

    Raises
    ------
    InputError
        The training is not in the store, or the store cannot be used.
    """
    whole = found.profits[-1]
    metrics = {
        name: float(value) for name, value in asdict(whole).items() if isinstance(value, int | float)
    } | {f"profit.{each.action}": each.profit for each in found.profits[:-1]}
    told = found.effects[(found.effects["segment"] == ALL) & found.effects["difference"].notna()]
    retention = told[told["measure"] == "retention"]
    metrics["control"] = float(retention["control"].sum())
    metrics |= {
        f"retention.{action}": float(difference)
        for action, difference in zip(retention["action"], retention["difference"], strict=True)
    }
    earned = f"{whole.profit:,.2f} ({whole.low:,.2f} to {whole.high:,.2f})"
    with open_store(uri, must_exist=True) as store:
        return log_beside(
            store,
            record.run_id,
            kind=READBACK,
            name=f"readback {record.campaign}",
            note="\n\n".join([*found.sentences, *(f"- {finding.text}" for finding in found.findings)]),
            tags=_tags(record) | {"until": found.until.isoformat()},
            metrics=metrics,
            files={
                "effects.csv": found.effects.to_csv(index=False),
                "profits.csv": pd.DataFrame([asdict(each) for each in found.profits]).to_csv(index=False),
                "playbook.yaml": playbook_text(found.playbook),
            },
            version_tags={"earned": f"{record.campaign} ({record.plan_id}): {earned}"},
        )


def campaigns_of(store: Store, experiment_id: str, limit: int) -> tuple[Campaign, ...]:
    """Return the newest campaigns of an experiment: those that were read back, and the last plan of the others."""
    read_back = {run.data.tags["plan_id"]: run for run in _newest_last(store, experiment_id, READBACK, limit)}
    # Of what was planned over and over, the last plan is the one that counts, unless another was carried out.
    carried_out = {run.data.tags["campaign"] for run in read_back.values()}
    last = {run.data.tags["campaign"]: run for run in _newest_last(store, experiment_id, PLAN, limit)}
    found = [
        _campaign(
            run,
            _number(run, "contact_cost") + _number(run, "incentive_cost"),
            "expected",
            ("profit", "low", "high"),
        )
        for run in read_back.values()
    ]
    found += [
        _campaign(run, _number(run, "cost_treated"), "profit_treated")
        for campaign, run in last.items()
        if campaign not in carried_out
    ]
    return tuple(sorted(found, key=lambda one: (one.as_of, one.campaign, one.plan_id), reverse=True))


def campaigns_sentence(found: Sequence[Campaign]) -> str:
    """Return what all campaigns that were read back earned together; nothing of mixed currencies or of one.

    Chance is independent between campaigns, so that their errors partly cancel.
    """
    told = [one for one in found if one.is_read_back]
    if len(told) < 2 or len({one.currency for one in told}) > 1:
        return ""
    total = sum(one.earned for one in told)
    reach = math.sqrt(sum(((one.high - one.low) / 2.0) ** 2 for one in told))
    unit = f" {told[0].currency}" if told[0].currency else ""
    return (
        f"The {len(told):,} campaigns that were read back earned {total:,.0f}{unit} together ({total - reach:,.0f} to"
        f" {total + reach:,.0f})."
    )


def campaign_table(found: Sequence[Campaign]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the campaigns."""
    header = [
        "Campaign",
        "model",
        "window",
        "treated",
        "control",
        "cost",
        "expected",
        "earned",
        "95% interval",
    ]
    return header, [
        [
            one.campaign,
            one.model_version or "-",
            f"{one.as_of} to {one.until}",
            f"{one.treated:,}",
            f"{one.control:,}",
            *(f"{value:,.0f}" for value in (one.cost, one.expected)),
            *(
                (f"{one.earned:,.0f}{f' {one.currency}' if one.currency else ''}", f"{one.low:,.0f} to {one.high:,.0f}")
                if one.is_read_back
                else ("not read back", "-")
            ),
        ]
        for one in found
    ]  # fmt: skip


def _tags(record: PlanRecord) -> dict[str, str]:
    return {
        "campaign": record.campaign,
        "plan_id": record.plan_id,
        "as_of": record.as_of.isoformat(),
        "until": record.until.isoformat(),
        "horizon_days": str(record.horizon_days),
        "model_version": record.model_version,
        "currency": record.currency or "",
    }


def _newer_champion(store: Store, training_id: str) -> list[str]:
    """Say where the model of scores is no longer the champion of its name."""
    notes = []
    versions = search_versions(store, f"run_id='{training_id}'")
    for name in sorted({version.name for version in versions}):
        champion = champion_of(store, name)
        if champion is not None and champion.run_id != training_id:
            mine = ", ".join(sorted(str(version.version) for version in versions if version.name == name))
            notes.append(
                f"the scores are of version {mine} of '{name}', and version {champion.version} is the champion: score"
                " again with it"
            )
    return notes


def _newest_last(store: Store, experiment_id: str, kind: str, limit: int) -> list[Any]:
    found = all_pages(
        store.client.search_runs,
        [experiment_id],
        f"tags.`{KIND_TAG}` = '{kind}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
    )
    return list(islice((run for run in found if {"campaign", "plan_id"} <= set(run.data.tags)), limit))[::-1]


def _campaign(run: Any, cost: float, expected: str, profit: Sequence[str] = ()) -> Campaign:
    """Return what a run tells of a campaign: ``expected`` and ``profit`` are names of its metrics."""
    names = ("campaign", "plan_id", "model_version", "as_of", "until", "currency")
    told: dict[str, Any] = {name: run.data.tags.get(name, "") for name in names}
    told |= {name: int(run.data.metrics.get(name, 0)) for name in ("treated", "control")}
    told |= dict(zip(("earned", "low", "high"), (_number(run, name) for name in profit), strict=False))
    return Campaign(**told, cost=cost, expected=_number(run, expected))


def _number(run: Any, name: str) -> float:
    return float(run.data.metrics.get(name, math.nan))
