"""clvml readback."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import load_any_config, now, parse_date, store_in_use, workspace
from clvml.cli.options import AsOfOption, ConfigOption, JsonOption, LaterDataOption, MemoryOption, SetOption
from clvml.cli.printing import (
    margin_said,
    print_json,
    print_list,
    print_paragraph,
    print_records,
    print_table,
    progress,
)
from clvml.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from clvml.config import AnyConfig
    from clvml.decide.plan_file import PlanRecord
    from clvml.outcomes.readback import Readback

_MEASURES = {"retention": "bought again", "money": "money, mean", "money_capped": "money, capped"}


def readback(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="File that `clvml plan` wrote.")],
    data: LaterDataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the playbook with the save rates as they are believed now (.yaml)."
        ),
    ] = None,
    config: ConfigOption = None,
    contacted: Annotated[
        Path | None,
        typer.Option(
            help="Who was contacted: customer_id, contact_date and, where several campaigns ran, campaign"
            " (any file of a log)."
        ),
    ] = None,
    redeemed: Annotated[
        Path | None,
        typer.Option(
            help="Customers who took an incentive up: customer_id. Default: the playbook's redeem_rate."
        ),
    ] = None,
    discounted: Annotated[
        bool,
        typer.Option("--discounted", help="Amounts of the log are less the incentives already."),
    ] = False,
    playbook: Annotated[
        Path | None,
        typer.Option(help="Playbook to update. Default: the one that the plan was made with."),
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Plan of another campaign of the time. Repeatable.")
    ] = None,
    as_of: AsOfOption = None,
    memory: MemoryOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the customers of a campaign with its control group; update the playbook."""
    from clvml import workflows
    from clvml.config import SubscriptionConfig
    from clvml.decide.plan import Plan
    from clvml.decide.plan_file import read_plan
    from clvml.decide.playbook import write_playbook
    from clvml.outcomes.sentences import learnt_sentence
    from clvml.storage.addresses import hide_password
    from clvml.storage.outputs import check_output

    if output is not None:
        check_output(output, (".yaml", ".yml"), str(config) if config else None)
    notes: list[str] = []
    planned = Plan(*read_plan(plan), notes=[])
    store = store_in_use()
    settings = _settings(planned.record, config, data, overrides, store, notes)
    progress(f"reading {hide_password(data or settings.data.source)}")
    with workspace(memory) as connection:
        grace = 0
        prepared: Any
        if isinstance(settings, SubscriptionConfig):
            grace = settings.data.grace_days
            prepared = workflows.prepare_subscriptions(settings.data, now(), data, parse_date(as_of))
        else:
            lines = settings.data.purchases_alone()
            prepared = workflows.prepare(lines, now(), data, parse_date(as_of), None, connection)
        progress("comparing")
        found = workflows.readback(
            planned, prepared, settings.value, contacted, redeemed, discounted, beside or (), playbook, grace
        )
    if output is not None:
        write_playbook(found.playbook, output)
    run_id, said = workflows.log_campaign(planned.record, store, found)
    notes += said
    if as_json:
        print_json(
            {
                "campaign": found.campaign,
                "plan_id": found.plan_id,
                "as_of": found.as_of,
                "until": found.until,
                "currency": found.currency,
                "margin": settings.value.margin,
                "measures": found.measures,
                "effects": found.effects.to_dict("records"),
                "profits": [asdict(profit) for profit in found.profits],
                "learnt": [asdict(each) for each in found.learnt],
                "warnings": [asdict(finding) for finding in found.findings],
                "sentences": found.sentences,
                "run_id": run_id,
                "notes": notes,
                "playbook": found.playbook.model_dump(mode="json"),
                "output": output,
            }
        )
        return
    print_paragraph(
        f"Campaign '{found.campaign}' from {found.as_of} to {found.until}, treated against control group, analysed as"
        f" planned; money is {'revenue' if found.subscribers else 'net of refunds'},"
        f" {margin_said(settings.value.model_dump())} is earned."
    )
    for text in found.sentences:
        print_paragraph(text)
    _print_profits(found)
    _print_effects(found)
    print_list(
        "What is measured",
        [
            *(f"{_called(name, found)}: {text}" for name, text in found.measures.items()),
            "p: chance of such a difference where there is none, for all actions or for all segments together (Holm)",
            "removed: the share of the variance that the scores explain",
            "planned: gain of the treated as the plan expected it over the value horizon; planned now: by the save"
            " rates as they are believed now",
        ],
    )
    print_list("Save rates", [learnt_sentence(each) for each in found.learnt])
    print_list("Before you believe it", [finding.text for finding in found.findings])
    print_list("Notes", notes)
    if output is not None:
        typer.echo(f"\nThe playbook with these save rates is in {output}")


def _settings(
    record: PlanRecord,
    config: Path | None,
    data: str | None,
    overrides: list[str] | None,
    store: str | None,
    notes: list[str],
) -> AnyConfig:
    """Return how the data is to be read: as given, as the model of the plan reads, or guessed and said."""
    from clvml import workflows
    from clvml.config import overridden
    from clvml.scores.subscribers import load_scorer
    from clvml.tracking.registry import resolve_model

    if config is not None:
        return load_any_config(config, overrides)
    reference = f"runs:/{record.run_id}" if record.run_id else record.model_version
    if reference and store:
        try:
            resolved = resolve_model(reference, "clvml", store)
            trained = load_scorer(resolved.directory).model.config
            return overridden(trained, overrides, "the model's configuration with --set")
        except InputError as error:
            notes.append(f"the model of the plan is not to be had ({error})")
    if data is None:
        raise InputError(
            f"{'; '.join(notes) or 'the plan names no model'}. Without it nothing says where the log is; give"
            " --data, or --config FILE that says it"
        )
    settings = workflows.assume_config(data, overrides)
    columns = ", ".join(f"{ours} = {theirs}" for ours, theirs in settings.data.columns.mapped().items())
    notes.append(
        f"columns are guessed ({columns}) and a margin of {settings.value.margin:.0%} is assumed; give --config FILE,"
        " or --set value.margin=0.4"
    )
    return settings


def _print_effects(found: Readback) -> None:
    unit = f" [{found.currency}]" if found.currency else ""
    told = found.effects[found.effects["difference"].notna()]
    print_table(
        ["Action, segment", f"measure{unit}", "treated", "control", "mean", "in control", "difference", "95% interval",
         "p", "removed"],
        [_cells(row, _called(row["measure"], found)) for _, row in told.iterrows()],
    )  # fmt: skip
    small = (len(found.effects) - len(told)) // len(_MEASURES)
    if small:
        typer.echo(f"{small} actions or segments of too few customers are left out (--json has their sizes)")


def _called(measure: str, found: Readback) -> str:
    return "still subscribed" if found.subscribers and measure == "retention" else _MEASURES[measure]


def _cells(row: pd.Series, measure: str) -> list[str]:
    form = "{:.1%}" if row["measure"] == "retention" else "{:z,.2f}"
    signed = "{:+.1%}" if row["measure"] == "retention" else "{:+z,.2f}"
    return [
        row["action"] if row["segment"] == "all" else f"- {row['segment']}",
        measure,
        f"{row['treated']:,}",
        f"{row['control']:,}",
        form.format(row["mean_treated"]),
        form.format(row["mean_control"]),
        signed.format(row["difference"]),
        f"{signed.format(row['low'])} to {signed.format(row['high'])}",
        f"{row['p_holm']:.3f}",
        f"{row['variance_removed']:.0%}",
    ]


def _print_profits(found: Readback) -> None:
    unit = f" [{found.currency}]" if found.currency else ""
    print_records(
        [
            (f"Action{unit}", "{action}"),
            ("treated", "{treated:,}"),
            ("margin", "{margin:z,.0f}"),
            ("contact", "{contact_cost:z,.0f}"),
            ("incentive", "{incentive_cost:z,.0f}"),
            ("profit", "{profit:z,.0f}"),
            ("95% interval", "{low:+z,.0f} to {high:+z,.0f}"),
            ("planned", "{expected:z,.0f}"),
            ("planned now", "{expected_now:z,.0f}"),
        ],
        map(vars, found.profits),
    )
