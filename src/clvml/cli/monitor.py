"""clvml monitor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import load_config, now, overridden, parse_date
from clvml.cli.options import AsOfOption, ConfigOption, JsonOption, SetOption
from clvml.cli.output import print_json, print_list, print_paragraph, print_table, progress
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.monitoring import Monitoring

RETRAIN = 3
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
    from clvml import pipeline
    from clvml.config import parse_config
    from clvml.monitoring import monitor as compare
    from clvml.score import Scorer, customer_days, read_scores
    from clvml.tracking import log_monitoring, resolve_model, tracking_uri, training_metrics

    frame = read_scores(scores)
    until = parse_date(as_of)
    settings = load_config(config, overrides) if config else None
    registered = settings.tracking.registered_model if settings else "clvml"
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    resolved = resolve_model(model or _model_of(frame, scores), registered, uri)
    scorer = Scorer.load(resolved.directory, resolved.version, resolved.run_id)
    if settings is None:
        raw = overridden(scorer.model.config.model_dump(mode="json"), overrides)
        settings = parse_config(raw, "the model's configuration with --set")
    progress(f"reading {data}")
    prepared = pipeline.prepare(settings.data, now(), data, until)
    progress("comparing")
    promised = training_metrics(resolved.run_id, uri) if resolved.run_id else {}
    found = compare(frame, customer_days(prepared.log), prepared.as_of, scorer, promised)
    run_id = log_monitoring(found, resolved, settings.tracking, uri) if resolved.run_id else ""
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
                "metrics": found.metrics,
                "tiers": found.tiers.to_dict("records"),
                "drift": found.drift.to_dict("records"),
                "model_version": resolved.version,
                "run_id": run_id,
            }
        )
    else:
        _print_monitoring(found, prepared.log.quality.currency)
    if found.recommendation != "keep":
        raise typer.Exit(RETRAIN)


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
    from clvml.monitoring import next_check

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
