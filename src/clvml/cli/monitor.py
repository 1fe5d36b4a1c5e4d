"""clvml monitor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import load_any_config, now, parse_date, store_uri
from clvml.cli.options import AsOfOption, ConfigOption, JsonOption, LaterDataOption, SetOption
from clvml.cli.printing import (
    command_line,
    print_json,
    print_list,
    print_paragraph,
    print_records,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from clvml.outcomes.monitoring import Monitoring
    from clvml.workflows import FollowUp

# For a scheduler: the model is to be trained again.
TRAIN_AGAIN = 3
_SHOWN_DRIFT = 8


def monitor(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Scored file of some time ago.")],
    data: LaterDataOption = None,
    config: ConfigOption = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The model of the scores. Default: the version named in them."),
    ] = None,
    as_of: AsOfOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare scores with what happened since; exit code 3 asks for another training."""
    from clvml import workflows

    done = workflows.follow_up(
        scores,
        data,
        now(),
        store_uri(),
        load_any_config(config, overrides) if config else None,
        overrides,
        model,
        parse_date(as_of),
        progress,
    )
    found = done.found
    next_commands = _next_commands(done, data, config, overrides)
    if as_json:
        print_json(
            {
                "as_of": found.as_of,
                "until": found.until,
                "horizon_days": found.horizon_days,
                "compared_days": found.compared_days,
                "customers": found.customers,
                "new_customers": found.new_customers,
                "recommendation": found.recommendation,
                "reasons": found.reasons,
                "next": next_commands,
                "metrics": found.metrics,
                "tiers": found.tiers.to_dict("records"),
                "drift": found.drift.to_dict("records"),
                "model_version": done.model.version if done.model else None,
                "run_id": done.run_id,
                "notes": done.notes,
            }
        )
    else:
        _print_monitoring(found, done.prepared.log.quality.currency)
        _print_next(found, next_commands)
        print_list("Notes", done.notes)
    if found.recommendation != "keep":
        raise typer.Exit(TRAIN_AGAIN)


def _next_commands(
    done: FollowUp, data: str | None, config: Path | None, overrides: list[str] | None
) -> list[str]:
    """Return the commands that mend what was found: the same settings on the new data, and in use."""
    from clvml.storage.addresses import hide_password

    found, model = done.found, done.model
    if found.recommendation == "keep" or model is None or done.registered_model is None or not model.run_id:
        return []
    challenger = f"models:/{done.registered_model}@challenger"
    reason = f"monitored until {found.until}: {found.recommendation}"
    train = ["--from-run", model.run_id]
    if data is not None:
        train += ["--data", hide_password(data)]
    elif config is None:
        train += ["--as-of", str(done.prepared.as_of)]
    else:
        train = ["--config", str(config)]
        train += [text for assigned in overrides or [] for text in ("--set", hide_password(assigned))]
    return [
        command_line("clvml", "train", *train),
        # By force, for a test of newer data cannot be held against one of older data.
        command_line("clvml", "promote", challenger, "--force", reason),
    ]


def _print_next(found: Monitoring, commands: list[str]) -> None:
    if commands:
        typer.echo("\nTrain the same settings on the data up to now, and put that model in use:")
        for command in commands:
            typer.echo(f"  {command}")
    if found.recommendation == "retrain":
        print_paragraph(
            "Whether the settings still are the best, 'clvml experiment' says (docs/experiments.md)."
        )


def _print_monitoring(found: Monitoring, currency: str | None) -> None:
    from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS
    from clvml.outcomes.monitoring import next_check
    from clvml.scores.columns import whom

    unit = f" {currency}" if currency else ""
    over = found.compared_days == found.horizon_days
    span = (
        f"the whole horizon of {found.horizon_days} days" if over else f"the first {found.compared_days} days"
    )
    print_paragraph(
        f"Scores as of {found.as_of} against what happened up to {found.until}: {span},"
        f" {found.customers:,} {whom(found.subscribers)} ({found.new_customers:,} others have joined since)."
    )
    if not over:
        print_paragraph(f"Churn and intervals can be compared from {next_check(found)} on.")
    named = {**SPEND_METRICS, **CHURN_METRICS}
    rows = [
        [whom(found.subscribers, metric.label), metric.text(found.metrics[name])]
        for name, metric in named.items()
        if name in found.metrics
    ]
    has_intervals = "interval_coverage" in found.metrics
    if has_intervals:
        rows.append(["Spend within its interval", f"{found.metrics['interval_coverage']:.1%}"])
    print_table(["Measure", "value"], rows)
    columns = [
        ("Tier", "{value_tier}"),
        (whom(found.subscribers), "{customers:z,.0f}"),
        (f"expected{unit}", "{expected_spend:z,.0f}"),
        (f"{'brought' if found.subscribers else 'spent'}{unit}", "{actual_spend:z,.0f}"),
    ]
    columns += [("P(churn)", "{p_churn:.0%}"), ("churned", "{churned:.0%}")] if over else []
    columns += [("in interval", "{interval_coverage:.0%}")] if has_intervals else []
    if len(found.tiers):
        print_records(columns, found.tiers.to_dict("records"))
    drifted = found.drift[found.drift["words"] != "as in training"].head(_SHOWN_DRIFT)
    print_list(
        f"What has changed among {whom(found.subscribers)} since training",
        [
            f"{row['description']}: {whom(found.subscribers, row['words'])} (PSI {row['psi']:.2f})"
            for row in drifted.to_dict("records")
        ],
    )
    print_list(f"Recommendation: {found.recommendation}", found.reasons)
