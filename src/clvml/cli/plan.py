"""clvml plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import now, store_in_use
from clvml.cli.options import JsonOption
from clvml.cli.printing import print_json, print_list, print_next, print_paragraph, print_records, progress
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.decide.plan import Plan

_CURVE_SHOWN = 6


def plan(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Scored file of clvml score.")],
    playbook: Annotated[Path, typer.Option("--playbook", "-p", help="What can be done (YAML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Plan (.csv or .parquet).")],
    budget: Annotated[
        float | None, typer.Option("--budget", "-b", help="Expected cost at most. Default: as much as pays.")
    ] = None,
    lists: Annotated[
        Path | None, typer.Option("--lists", help="Folder for a target list per action (CSV).")
    ] = None,
    contacts: Annotated[
        str | None, typer.Option("--contacts", help="How to reach customers: customer_id, email, phone, ...")
    ] = None,
    preset: Annotated[
        str,
        typer.Option("--preset", help="Columns of the lists: generic, brevo, hubspot, klaviyo, mailchimp."),
    ] = "generic",
    fields: Annotated[
        str,
        typer.Option("--fields", help="Further columns of --contacts for the lists: first_name,last_name."),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a key of the playbook: control.share=0.5. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide which customer gets which action within a budget, with a control group and the profit curve."""
    from clvml import workflows
    from clvml.decide.lists import presets
    from clvml.decide.playbook import read_playbook
    from clvml.storage.files import TABLES
    from clvml.storage.outputs import check_output

    rules = read_playbook(playbook, overrides)
    for read in filter(None, (str(scores), contacts, rules.opt_outs, rules.past_contacts)):
        check_output(output, TABLES, read, "plan")
    if lists is None and (contacts or fields):
        raise InputError(
            "--contacts and --fields are for target lists; add --lists FOLDER, or leave them out"
        )
    if preset not in presets():
        raise InputError(f"unknown preset '{preset}'; known: {', '.join(presets())}")
    progress(f"planning for the customers of {scores}")
    made = workflows.plan(scores, rules, budget, now().date())
    asked = [name.strip() for name in fields.split(",") if name.strip()]
    written, left_out = workflows.write_plan(made, output, lists, contacts, preset, asked)
    run_id, said = workflows.log_campaign(made.record, store_in_use())
    notes = [*made.notes, *left_out, *said]
    if as_json:
        print_json(
            {
                "output": str(output),
                "plan_id": made.record.plan_id,
                "campaign": made.record.campaign,
                "as_of": made.record.as_of,
                "horizon_days": made.record.horizon_days,
                "budget": budget,
                **made.summary,
                "run_id": run_id,
                "lists": {action: str(path) for action, path in written.items()},
                "notes": notes,
            }
        )
        return
    _print_plan(made, output)
    print_list("Lists", [str(path) for path in written.values()])
    print_list("Notes", notes)
    if made.summary["planned"]:
        how = "as the lists hold them" if lists else "--lists FOLDER writes them for each action"
        # The configuration says when who subscribes anew has stayed.
        when, later = (
            ("on, and after the grace period, with the subscriptions", ["--config", "my.yaml"])
            if made.subscribers
            else ("on, with the orders", ["--data", "orders.csv"])
        )
        print_next(
            f"Contact those whose group is treated ({how}), and nobody of the control group. From"
            f" {made.record.until} {when} up to then:",
            ["readback", str(output), *later],
        )


def _print_plan(made: Plan, output: Path) -> None:
    from clvml.scores.columns import whom

    found, record, people = made.summary, made.record, whom(made.subscribers)
    unit = f" {record.currency}" if record.currency else ""
    limit = f"a budget of {record.budget:z,.2f}{unit}" if record.budget is not None else "no limit"
    print_paragraph(
        f"Plan '{record.campaign}' as of {record.as_of} into {output}: something is planned for"
        f" {found['planned']:,} of {found['customers']:,} {people}, {found['control']:,} of whom are held out as"
        f" control group. It costs {found['cost']:z,.2f}{unit} of {limit} and is expected to bring"
        f" {found['profit']:z,.2f}{unit} after cost (80%: {found['profit_low']:z,.2f} to {found['profit_high']:z,.2f});"
        f" no plan brings more than {found['bound']:z,.2f}{unit}."
    )
    print_records(
        [
            (f"Action ({unit.strip()})" if unit else "Action", "{action}"),
            (people, "{customers:,}"),
            ("control", "{control:,}"),
            ("cost", "{cost:z,.0f}"),
            ("profit", "{profit:z,.0f}"),
            ("80% low", "{profit_low:z,.0f}"),
            ("high", "{profit_high:z,.0f}"),
            ("save rate", "{save_rate:.1%}"),
            ("break-even", "{break_even}"),
            ("visible", "{visible}"),
        ],
        [
            {
                **row,
                "break_even": _percent(row["break_even_save_rate"]),
                "visible": _percent(row["smallest_save_rate_seen"]),
            }
            for row in found["actions"]
        ],
    )
    print_list(
        "What these columns are",
        [
            "break-even: the save rate from which the action pays for itself",
            "visible: the smallest save rate that its control group would show four times in five; none: not at all",
        ],
    )
    print_records(
        [
            ("Left alone because", "{why}"),
            (people, "{customers:,}"),
            ("value if kept", "{value_if_kept:z,.0f}"),
        ],
        found["left_alone"],
    )
    curve = found["curve"]
    step = max(1, (len(curve) - 1) // _CURVE_SHOWN)
    print_records(
        [("Budget", "{budget:z,.0f}"), ("expected profit", "{profit:z,.0f}")], [*curve[:-1:step], curve[-1]]
    )
    print_paragraph(
        f"The next{unit or ' unit'} of budget would bring {found['next_unit_brings']:z,.2f}; nothing more pays from"
        f" {found['nothing_more_pays_at']:z,.2f}{unit} on."
    )
    print_list(
        "If the save rates are other than assumed", [_effect(row, unit, people) for row in found["effects"]]
    )


def _effect(row: dict[str, Any], unit: str, people: str) -> str:
    return (
        f"{row['factor']:g} times: this plan brings {row['profit_of_this_plan']:z,.0f}{unit}, the best one for them"
        f" {row['profit_of_its_own_plan']:z,.0f}{unit} with {row['customers_of_its_own_plan']:,}"
        f" {people.removesuffix('s') if row['customers_of_its_own_plan'] == 1 else people}"
    )


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{share:.1%}" if share <= 1 else "none"
