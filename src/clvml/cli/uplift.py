"""clvml uplift."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.options import JsonOption
from clvml.cli.printing import print_json, print_list, print_paragraph, progress
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.decide.uplift import Uplift


def uplift(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="One row per customer of a past experiment: any file that a log may be.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write the save rates for the playbook (.yaml).")
    ],
    treatment: Annotated[str, typer.Option(help="Column that says who got what.")],
    outcome: Annotated[
        list[str],
        typer.Option(help="Column of what happened after: 0 or 1 for the playbook, or money. Repeatable."),
    ],
    features: Annotated[
        str, typer.Option(help="Columns that were known before, with commas between: p_churn,clv,segment.")
    ],
    control: Annotated[
        str | None,
        typer.Option(help="What the treatment column says of the control group. Default: its usual names."),
    ] = None,
    propensity: Annotated[
        str | None,
        typer.Option(help="Column with the probability of being treated, where it was not the same for all."),
    ] = None,
    playbook: Annotated[
        Path | None, typer.Option(help="Write this playbook with the learnt save rates in it.")
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(help="TREATMENT=ACTION, where the playbook calls it otherwise. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from a past experiment with a control group who is moved by what."""
    from clvml import workflows
    from clvml.decide.playbook import read_playbook
    from clvml.decide.uplift import read_experiment
    from clvml.storage.outputs import check_output

    check_output(output, (".yaml", ".yml"), str(experiment))
    book = read_playbook(playbook) if playbook else None
    names = dict(_pair(text) for text in action or [])
    columns = [name.strip() for name in features.split(",") if name.strip()]
    read = read_experiment(experiment, treatment, outcome, columns, control, propensity)
    progress(f"learning from {len(read.treatment):,} customers")
    found = workflows.uplift(read)
    rates = workflows.save_rates(found, experiment.stem)
    notes = _notes(found, rates)
    if rates:
        workflows.write_save_rates(rates, output, book, names)
    if as_json:
        print_json(
            {
                "control": read.control,
                "uplift": [
                    {**asdict(each), "learnt": each.learnt, "sentence": _sentence(each)} for each in found
                ],
                "save_rates": {arm: rate.model_dump(mode="json") for arm, rate in rates.items()},
                "notes": notes,
                "output": output if rates else None,
            }
        )
        return
    for each in found:
        typer.echo()
        print_paragraph(_sentence(each))
        if each.learnt:
            _print_leaves(each)
    print_list("Notes", notes)
    if rates:
        typer.echo(f"\nSave rates for the playbook are in {output}")


def _pair(text: str) -> tuple[str, str]:
    arm, equals, name = text.partition("=")
    if not (arm and equals and name):
        raise InputError(f"--action '{text}' is not TREATMENT=ACTION")
    return arm.strip(), name.strip()


def _notes(found: list[Uplift], rates: dict) -> list[str]:
    from clvml import workflows

    notes = [each.doubt for each in found if each.doubt and each.outcome == found[0].outcome]
    arms = list(dict.fromkeys(each.arm for each in found))
    without = [arm for arm in arms if arm not in rates]
    if without:
        notes.append(
            f"no save rate of {', '.join(repr(arm) for arm in without)}: it takes an outcome of 0 or 1, such as whether"
            " the customer bought, and groups that chance made"
        )
    else:
        chosen = next(each.outcome for each in found if each.binary)
        notes.append(f"save rates are of '{chosen}': of those who would not have, the share that did")
    lacking = workflows.missing_columns(rates)
    if lacking:
        notes.append(
            f"the rules read {', '.join(lacking)}, which the scores must have as further columns when you plan"
        )
    return notes


def _sentence(each: Uplift) -> str:
    one = (lambda value: f"{value:.1%}") if each.binary else (lambda value: f"{value:z,.2f}")
    unit, scale = (" points", 100.0) if each.binary else ("", 1.0)
    low, high = each.low * scale, each.high * scale
    gate = each.gate
    if each.doubt:
        told = "the groups are not alike, so that none of this can be believed."
    elif gate.open:
        told = (
            f"Who is moved can be told: treating the most moved first gains a Qini area of {gate.qini:.4f}"
            f" ({gate.low:.4f} to {gate.high:.4f}) per customer, calibration slope {gate.slope:.2f}; effects by"
            " group are used."
        )
    else:
        reason = (
            "the same is predicted for everybody"
            if gate.slope != gate.slope
            else f"Qini area {gate.qini:.4f}, {gate.low:.4f} to {gate.high:.4f}, calibration slope {gate.slope:.2f}"
        )
        told = f"Who is moved cannot be told ({reason}): one effect counts for all."
    return (
        f"{each.arm}, {each.outcome}: {one(each.mean_treated)} of {each.treated:,} treated against"
        f" {one(each.mean_control)} of {each.control:,} without; the effect is {each.effect * scale:+z.2f}{unit}"
        f" ({low:+z.2f} to {high:+z.2f}, 95% interval). {told}"
    )


def _print_leaves(each: Uplift) -> None:
    form = "{:.1%}" if each.binary else "{:z,.2f}"
    signed = "{:+.1%}" if each.binary else "{:+z,.2f}"
    print_list(
        "Effect by group",
        [
            f"{signed.format(leaf.effect)} ± {form.format(leaf.spread)} ({signed.format(leaf.raw)} seen beside"
            f" {form.format(leaf.without)} without; {leaf.customers:,} customers): {leaf.rule}"
            for leaf in each.leaves
        ],
    )
