"""clvml monitor."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import load_config, now, overridden, parse_date
from clvml.cli.options import AsOfOption, ConfigOption, JsonOption, SetOption
from clvml.cli.output import command_line, print_json, print_list, print_paragraph, print_table, progress
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.config import Config
    from clvml.outcomes.monitoring import Monitoring
    from clvml.scores.scorer import Scorer
    from clvml.tracking import ResolvedModel

# For a scheduler: the model is to be trained again.
TRAIN_AGAIN = 3
_SHOWN_DRIFT = 8


def monitor(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Scored file of some time ago.")],
    data: Annotated[str, typer.Option("--data", help="The purchase log, continued to a later day.")],
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
    from clvml.config import parse_config
    from clvml.outcomes.monitoring import monitor as compare
    from clvml.scores.scorer import Scorer, customer_days, read_scores
    from clvml.storage.addresses import hide_password
    from clvml.tracking import tracking_uri

    frame = read_scores(scores)
    until = parse_date(as_of)
    settings = load_config(config, overrides) if config else None
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    notes: list[str] = []
    resolved = _resolved(model or _model_of(frame, scores), settings, uri, notes)
    version = frame["model_version"].iloc[0]
    if resolved and model is None and isinstance(version, str):
        # A run alone does not say under which name to look for its version.
        resolved = replace(resolved, version=version)
    scorer = Scorer.load(resolved.directory, resolved.version, resolved.run_id) if resolved else None
    if scorer is not None and settings is None:
        raw = overridden(scorer.model.config.model_dump(mode="json"), overrides)
        settings = parse_config(raw, "the model's configuration with --set")
    if settings is None:
        raise InputError(
            f"{notes[0]}. Without the model, --config says how the data is to be read; or name a folder that holds "
            "the model with --model"
        )
    progress(f"reading {hide_password(data)}")
    prepared = workflows.prepare(settings.data, now(), data, until)
    progress("comparing")
    promised = _promised(resolved, uri)
    found = compare(frame, customer_days(prepared.log), prepared.as_of, scorer, promised)
    run_id = _logged(found, resolved, uri, notes)
    next_commands = _next_commands(found, resolved, scorer, data)
    notes += [f"not judged: {text}" for text in found.unjudged]
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
                "model_version": resolved.version if resolved else None,
                "run_id": run_id,
                "notes": notes,
            }
        )
    else:
        _print_monitoring(found, prepared.log.quality.currency)
        _print_next(found, next_commands)
        print_list("Notes", notes)
    if found.recommendation != "keep":
        raise typer.Exit(TRAIN_AGAIN)


def _resolved(reference: str, settings: Config | None, uri: str, notes: list[str]) -> ResolvedModel | None:
    """Return the model; where the store does not answer, say so and go on without."""
    from clvml.tracking import StoreUnreachable, resolve_model

    try:
        return resolve_model(reference, settings.tracking.registered_model if settings else "clvml", uri)
    except StoreUnreachable as error:
        notes.append(str(error))
        return None


def _promised(model: ResolvedModel | None, uri: str) -> dict[str, float]:
    """Return what the training of the model measured, nothing where that cannot be known."""
    from clvml.tracking import training_metrics

    try:
        return training_metrics(model.run_id, uri) if model and model.run_id else {}
    except InputError:
        # The same is said by the logging, which is after the work.
        return {}


def _logged(found: Monitoring, model: ResolvedModel | None, uri: str, notes: list[str]) -> str | None:
    """Log what was found and return the run; where that fails, say why: the result is worth having all the same."""
    from clvml.tracking import log_monitoring

    if model is None:
        return None
    if not model.run_id:
        notes.append("not logged: a folder does not say which run trained its model")
        return None
    try:
        return log_monitoring(found, model, uri)
    except InputError as error:
        notes.append(f"not logged: {error}")
        return None


def _next_commands(
    found: Monitoring, model: ResolvedModel | None, scorer: Scorer | None, data: str
) -> list[str]:
    """Return the commands that mend what was found: the same settings on the new data, and in use."""
    from clvml.storage.addresses import hide_password

    if found.recommendation == "keep" or model is None or scorer is None or not model.run_id:
        return []
    challenger = f"models:/{scorer.model.config.tracking.registered_model}@challenger"
    reason = f"monitored until {found.until}: {found.recommendation}"
    return [
        command_line("clvml", "train", "--from-run", model.run_id, "--data", hide_password(data)),
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


def _model_of(scores: Any, path: Path) -> str:
    """Return the reference of the model that made the scores."""
    run_id, version = scores["run_id"].iloc[0], scores["model_version"].iloc[0]
    if isinstance(run_id, str) and run_id:
        return f"runs:/{run_id}"
    if isinstance(version, str) and version.isdigit():
        return version
    raise InputError(f"scored file '{path}' does not say which model made it; name it with --model")


def _print_monitoring(found: Monitoring, currency: str | None) -> None:
    from clvml.evaluation.metrics import CHURN_METRICS, SPEND_METRICS
    from clvml.outcomes.monitoring import next_check

    unit = f" {currency}" if currency else ""
    over = found.compared_days == found.horizon_days
    span = (
        f"the whole horizon of {found.horizon_days} days" if over else f"the first {found.compared_days} days"
    )
    print_paragraph(
        f"Scores as of {found.as_of} against what happened up to {found.until}: {span},"
        f" {found.customers:,} customers ({found.new_customers:,} others have joined since)."
    )
    if not over:
        print_paragraph(f"Churn and intervals can be compared from {next_check(found)} on.")
    named = {**SPEND_METRICS, **CHURN_METRICS}
    rows = [
        [metric.label, metric.text(found.metrics[name])]
        for name, metric in named.items()
        if name in found.metrics
    ]
    if over:
        rows.append(["Spend within its interval", f"{found.metrics['interval_coverage']:.1%}"])
    print_table(["Measure", "value"], rows)
    columns = ["customers", f"expected{unit}", f"spent{unit}"]
    columns += ["P(churn)", "churned", "in interval"] if over else []
    print_table(
        ["Tier", *columns],
        [
            [
                row["value_tier"],
                *(f"{row[name]:,.0f}" for name in ("customers", "expected_spend", "actual_spend")),
                *(f"{row[name]:.0%}" for name in ("p_churn", "churned", "interval_coverage") if over),
            ]
            for row in found.tiers.to_dict("records")
        ],
    )
    drifted = found.drift[found.drift["words"] != "as in training"].head(_SHOWN_DRIFT)
    print_list(
        "What has changed among customers since training",
        [
            f"{row['description']}: {row['words']} (PSI {row['psi']:.2f})"
            for row in drifted.to_dict("records")
        ],
    )
    print_list(f"Recommendation: {found.recommendation}", found.reasons)
