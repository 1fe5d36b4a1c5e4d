"""clvml worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import both_or_none, load_any_config, now, refuse_for_subscriptions, workspace
from clvml.cli.options import AcquiredOption, ConfigOption, JsonOption, MemoryOption, SetOption, SpendOption
from clvml.cli.printing import print_json, print_list, print_margin, print_paragraph, print_records, progress

if TYPE_CHECKING:
    from clvml.config import ValueConfig
    from clvml.decide.acquisition import Acquisition
    from clvml.decide.worth import Worth

_SHOWN = 20


def worth(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Scored file of clvml score.")],
    by: Annotated[
        str, typer.Option("--by", help="Scored columns to group by, and cohort with --data.")
    ] = "segment,value_tier",
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs", help="margin, acquisition_cost, service_cost by a scored column (any file of a log)."
        ),
    ] = None,
    before: Annotated[Path | None, typer.Option("--before", help="An earlier scored file.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The purchase log, for plain formulas; needs --config, which may name data.sources instead.",
        ),
    ] = None,
    acquired: AcquiredOption = None,
    spend: SpendOption = None,
    config: ConfigOption = None,
    memory: MemoryOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what customers are worth, by segment or any column, beside the plain formulas."""
    from clvml import workflows
    from clvml.config import Config, SubscriptionConfig, ValueConfig
    from clvml.scores.overview import origin_of

    files = both_or_none(acquired, spend)
    if data is not None and config is None:
        workflows.refuse_log_beside(scores)
    settings = load_any_config(config, overrides, data) if config or data or overrides else None
    if isinstance(settings, SubscriptionConfig):
        refuse_for_subscriptions(data=data)
    origin = origin_of(scores)
    known = settings.value if settings else origin.value
    value = known or ValueConfig()
    names = [name.strip() for name in by.split(",") if name.strip()] or ["segment"]
    prepared = None
    # Of several sources none is the one that --data could name.
    reads_log = isinstance(settings, Config) and (data is not None or bool(settings.data.sources))
    if isinstance(settings, Config) and reads_log:
        progress(f"reading {data or settings.data.source}")
        with workspace(memory) as connection:
            lines = settings.data.purchases_alone()
            prepared = workflows.prepare(lines, now(), data, None, None, connection)
            found = workflows.worth(scores, names, value, costs, before, prepared, now().date())
    else:
        found = workflows.worth(scores, names, value, costs, before, None, now().date())
    notes = [*found.notes, *workflows.value_notes(known, reads_log)]
    won = workflows.acquired(scores, *files, value, prepared) if files else None
    notes += won.notes if won else []
    if as_json:
        tested = origin.evidence["margin"] if origin.evidence else []
        print_json(
            {
                **found.to_dict(),
                "acquisition": won and won.to_dict(),
                "tested": tested,
                "value": value.model_dump(),
                "notes": notes,
            }
        )
        return
    _print_worth(found, value, origin.currency)
    if won:
        _print_acquired(won)
    if origin.evidence and origin.evidence["margin"]:
        _print_tested(origin.evidence, found.subscribers)
    print_list("Notes", notes)


def _print_worth(found: Worth, value: ValueConfig, currency: str | None) -> None:
    from clvml.scores.columns import whom

    people = whom(found.subscribers)
    one = people.removesuffix("s")
    total = next(iter(found.groups.values())).loc["all"]
    unit = f" {currency}" if currency else ""
    print_paragraph(
        f"{total['customers']:z,.0f} {people} are worth {total['clv']:z,.0f}{unit} (80%: {total['clv_low']:z,.0f} to"
        f" {total['clv_high']:z,.0f}): the present value of their margin over {value.horizon_days:,} days."
    )
    for name, table in found.groups.items():
        _print_group(name, table, found.subscribers)
    print_list(
        "What these columns are",
        [
            f"each: value per {one}, still to come",
            f"may cost: margin so far and to come per {one}, the most that winning one like them may cost; groups"
            f" of old {people} hold those who stayed, so for new ones look at the youngest with --by cohort",
        ],
    )
    print_records(
        [
            ("The most valuable", "{top:.0%}"),
            (people, "{customers:,}"),
            ("value", "{clv:z,.0f}"),
            ("share", "{clv_share:z,.1%}"),
        ],
        found.concentration.to_dict("records"),
    )
    if len(found.formulas):
        print_records(
            [
                ("Plain formula", "{formula}"),
                ("says", "{total:z,.0f}"),
                ("times the value", "{ratio:z,.2f}"),
            ],
            found.formulas.to_dict("records"),
        )
        # Of a value of nothing or less, nothing is a multiple.
        told = found.formulas.dropna(subset="ratio").to_dict("records")
        print_list("Whom they mislead", [_misled(row) for row in told])
    if len(found.movement):
        print_records(
            [
                ("Since the earlier scores", "{move}"),
                (people, "{customers:,}"),
                ("value then", "{clv_before:z,.0f}"),
                ("value now", "{clv_now:z,.0f}"),
                ("change", "{change:z,.0f}"),
            ],
            found.movement.to_dict("records"),
        )


def _print_group(name: str, table: Any, subscribers: bool) -> None:
    from clvml.scores.columns import whom

    columns = [
        (name, "{group}"),
        (whom(subscribers), "{customers:z,.0f}"),
        ("paid so far" if subscribers else "spent so far", "{historic_spend:z,.0f}"),
        ("value", "{clv:z,.0f}"),
        ("80% low", "{clv_low:z,.0f}"),
        ("high", "{clv_high:z,.0f}"),
        ("share", "{clv_share:z,.1%}"),
        ("each", "{clv_each:z,.2f}"),
        ("may cost", "{highest_acquisition_cost:z,.2f}"),
    ]
    if "acquisition_cost" in table:
        columns += [("costs", "{acquisition_cost:z,.2f}"), ("months", "{payback_months:z,.1f}")]
    rows = {**table.drop("all").head(_SHOWN).to_dict("index"), "all": table.loc["all"]}
    print_records(columns, [{**row, "group": group} for group, row in rows.items()])
    left = len(table) - 1 - _SHOWN
    if left > 0:
        typer.echo(f"... and {left:,} more (--json has all)")


def _print_acquired(won: Acquisition) -> None:
    for name, table in (("source", won.by_source), ("source, month", won.by_month)):
        rows = table.head(_SHOWN + 1).to_dict("index")
        print_records(
            [
                (name, "{won}"),
                ("customers", "{customers:z,.0f}"),
                ("spent", "{spend:z,.0f}"),
                ("cost each", "{cost_each:z,.2f}"),
                ("80% interval", "{cost_low:z,.2f} to {cost_high:z,.2f}"),
                ("months seen", "{months_seen:z,.1f}"),
                ("earned", "{earned_each:z,.2f}"),
                ("to come", "{to_come_each:z,.2f}"),
                ("value to cost", "{value_to_cost:z,.2f}"),
                ("80% interval", "{ratio_low:z,.2f} to {ratio_high:z,.2f}"),
                ("may cost", "{highest_cost:z,.2f}"),
                ("months", "{payback_months:z,.1f}"),
            ],
            [{**row, "won": ", ".join(key) if isinstance(key, tuple) else key} for key, row in rows.items()],
        )
        if len(table) > len(rows):
            typer.echo(f"... and {len(table) - len(rows):,} more (--json has all)")


def _print_tested(evidence: Mapping[str, Any], subscribers: bool) -> None:
    """Print how the plain formulas and the forecast did on the test dates of the model."""
    from clvml.evaluation.baselines import FORMULAS
    from clvml.scores.columns import whom

    # Plain formulas are of purchases.
    tested = {row["model"] for row in evidence["margin"]}
    named = [name for name in (evidence["champion"], *FORMULAS) if name in tested]
    typer.echo(f"\nOn the test dates of the model ({', '.join(evidence['cutoffs'])}), over its horizon")
    print_margin(evidence["margin"], subscribers, named)
    told = {(row["model"], row["group"]): row["times"] for row in evidence["margin"]}
    said = [
        f"{name} said {_came(told.get((name, 'all')))} in all, {_came(told.get((name, 'likely to stay')))} of"
        f" {whom(subscribers)} likely to stay and {_came(told.get((name, 'likely to leave')))} of those likely to leave"
        for name in named
    ]
    print_list("By how much, and for whom", said)


def _came(ratio: float | None) -> str:
    return "nothing that can be compared" if ratio is None else f"{ratio:.2f} times what came"


def _misled(row: Mapping[Any, Any]) -> str:
    words = f"{row['formula']} says {_times(row['ratio'])} in all"
    if "underrates" in row:
        words += f"; of '{row['overrates']}' {_times(row['by_times'])}, of '{row['underrates']}' {_times(row['by'])}"
    return words


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times the value"
