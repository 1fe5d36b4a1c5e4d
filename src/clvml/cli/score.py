"""clvml score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clvml.cli.inputs import (
    load_any_config,
    now,
    parse_date,
    refuse_for_subscriptions,
    spark_session,
    store_uri,
    workspace,
)
from clvml.cli.options import (
    AsOfOption,
    ConfigOption,
    DataArgument,
    EngineOption,
    JsonOption,
    MasterOption,
    MemoryOption,
    RejectsOption,
    SetOption,
)
from clvml.cli.printing import (
    Meter,
    margin_said,
    print_json,
    print_list,
    print_next,
    print_paragraph,
    print_records,
    print_warnings,
    progress,
)
from clvml.errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from clvml.config import AnyConfig
    from clvml.log.attribute_table import AttributeTable
    from clvml.scores.batches import ScoredTable
    from clvml.scores.columns import Column
    from clvml.scores.scorer import Scorer
    from clvml.scores.subscribers import SubscriberScores, SubscriptionScorer
    from clvml.workflows import Prepared


def score(
    output: Annotated[str, typer.Option("--output", "-o", help="Scored file (.csv or .parquet) or table.")],
    data: DataArgument = None,
    config: ConfigOption = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="champion, challenger, a version, an MLflow URI, a folder.")
    ] = "champion",
    as_of: AsOfOption = None,
    explain: Annotated[
        str, typer.Option("--explain", help="all, none, or N: the N customers with most value at risk.")
    ] = "all",
    acquired: Annotated[
        Path | None,
        typer.Option(
            "--acquired",
            help="Where customers came from (customer_id, acquisition_source), as a column of the scored file.",
        ),
    ] = None,
    value_reasons: Annotated[
        bool, typer.Option("--value-reasons", help="Also say why the expected spend is high or low.")
    ] = False,
    rejects: RejectsOption = None,
    memory: MemoryOption = None,
    engine: EngineOption = "duckdb",
    master: MasterOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score every customer of a purchase log, or every subscriber, into a ranked file."""
    from clvml import workflows
    from clvml.config import Config, SubscriptionConfig, overridden
    from clvml.decide.acquisition import read_sources
    from clvml.scores.columns import SUBSCRIBERS, scored_columns
    from clvml.scores.scorer import Scorer
    from clvml.scores.subscribers import SubscriptionScorer, load_scorer
    from clvml.storage.addresses import hide_password, is_address
    from clvml.storage.outputs import is_same_output
    from clvml.tracking.registry import resolve_model

    if not is_address(output):
        workflows.check_scored_output(output, data)
    if rejects is not None and not is_address(output) and is_same_output(rejects, Path(output)):
        raise InputError(f"--output and --rejects are both '{output}'; give two names")
    known = read_sources(str(acquired)) if acquired else None
    asked, until = _explain_choice(explain), parse_date(as_of)
    settings = load_any_config(config, overrides) if config else None
    registered = settings.tracking.registered_model if settings else None
    progress(f"loading model '{model}'")
    resolved = resolve_model(model, registered, store_uri())
    if resolved.note:
        # Said before the file is read as another one was.
        progress(resolved.note)
    scorer = load_scorer(resolved.directory, resolved.version, resolved.run_id)
    if settings is None:
        # Without a configuration the file is read as the training data was.
        settings = overridden(scorer.model.config, overrides, "the model's configuration with --set")
    scorer = scorer.with_value_reasons() if value_reasons else scorer
    columns = scored_columns(value_reasons, acquired is not None)
    if isinstance(scorer, SubscriptionScorer):
        columns = SUBSCRIBERS
    sources = workflows.sources_of((settings.with_source(data) if data else settings).data)
    sources += [str(acquired)] if acquired else []
    # What the columns of attributes are is known when their table is read.
    is_late = is_address(output) and isinstance(settings, Config) and settings.data.attributes is not None
    if not is_late:
        _check_output(output, sources, columns)
    mapped = settings.data if isinstance(settings, SubscriptionConfig) else settings.data.columns
    named = ", ".join(f"{ours}: {theirs}" for ours, theirs in mapped.mapped().items())
    read = hide_password(data or settings.data.source)
    progress(f"reading {read} (columns{'' if config else ' as in training'}: {named})")
    today = None if until else now().date()
    if isinstance(scorer, SubscriptionScorer) and isinstance(settings, SubscriptionConfig):
        spark = None if engine == "duckdb" else engine
        refuse_for_subscriptions(
            acquired=acquired, rejects=rejects, memory=memory, engine=spark, master=master
        )
        read_log = workflows.prepare_subscriptions(settings.data, now(), data, until)
        progress("scoring")
        subscribers = workflows.score_subscriptions(read_log, scorer, asked)
        progress(f"writing {hide_password(output)}")
        workflows.write_scored(subscribers, output)
        summary = _summary(output, read_log, subscribers, scorer, settings, today, resolved.note)
        summary["plans"] = subscribers.plans().to_dict("records")
        summary["segments"] = (subscribers.overview or {})["segments"]
        if as_json:
            print_json(summary)
        else:
            _print_scored(summary, settings.data.currency, output, subscribers=True)
        return
    if not (isinstance(scorer, Scorer) and isinstance(settings, Config)):
        kind = "subscriptions" if columns == SUBSCRIBERS else "purchases"
        raise InputError(
            f"model '{model}' is of {kind}, and the configuration is not; give the one that it was trained with, or"
            " leave --config out"
        )
    told_of = scorer.attributes_of

    def check_columns(known: AttributeTable | None) -> None:
        if is_late:
            columns = scored_columns(value_reasons, acquired is not None, told_of(known))
            _check_output(output, sources, columns)

    prepared: Prepared
    with workspace(memory) as connection, spark_session(engine, master, rejects) as session:
        if session is None:
            horizon = scorer.model.horizon_days
            prepared = workflows.prepare(settings.data, now(), data, until, rejects, connection, horizon)
            check_columns(prepared.log.attributes)
            progress("building the features")
            meter = Meter("customers scored")
            scored = workflows.score(prepared, scorer, asked, meter, known, settings.value)
        else:
            prepared = workflows.prepare_on_spark(session, settings.data, now(), data, until)
            check_columns(prepared.log.attributes)
            progress("scoring")
            scored = workflows.score_on_spark(prepared, scorer, connection, asked, known)
        progress(f"writing {hide_password(output)}")
        workflows.write_scored(scored, output)
        summary = _summary(output, prepared, scored, scorer, settings, today, resolved.note)
        summary["segments"] = scored.segments(scorer.model.intervals).to_dict("records")
        summary["notes"] += workflows.acquired_notes(scored)
    if as_json:
        print_json(summary)
    else:
        _print_scored(summary, prepared.log.quality.currency, output, subscribers=False)


def _check_output(output: str, sources: list[str], columns: Sequence[Column]) -> None:
    from clvml import workflows

    for source in sources:
        workflows.check_scored_output(output, source, columns)


def _summary(
    output: str,
    prepared: Prepared,
    scored: ScoredTable | SubscriberScores,
    scorer: Scorer | SubscriptionScorer,
    settings: AnyConfig,
    today: date | None,
    doubt: str,
) -> dict[str, Any]:
    from clvml import workflows
    from clvml.storage.addresses import hide_password

    quality = prepared.log.quality
    return {
        "output": hide_password(output),
        "customers": scored.customers,
        "as_of": prepared.as_of,
        "horizon_days": scorer.model.horizon_days,
        "model_version": scorer.version,
        "run_id": scorer.run_id,
        "rows_in": quality.rows_in,
        "rows_out": quality.rows_out,
        "expected_spend": scored.total("expected_spend"),
        "clv": scored.total("clv"),
        "value": scorer.model.config.value.model_dump(),
        # Spark counts what it leaves out and does not look at the ids.
        "warnings": [asdict(found) for found in getattr(quality, "warnings", ())],
        "notes": [
            *filter(None, [doubt]),
            *workflows.scoring_notes(prepared, scorer, settings, today),
            *workflows.unlike_training(scored, scorer),
        ],
    }


def _explain_choice(text: str) -> Literal["all", "none"] | int:
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise InputError(f"--explain '{text}' is not all, none or a number of customers")


def _print_scored(summary: dict[str, Any], currency: str | None, output: str, subscribers: bool) -> None:
    from clvml.scores.columns import whom
    from clvml.storage.addresses import is_address

    people, unit = whom(subscribers), f" {currency}" if currency else ""
    typer.echo(
        f"{summary['customers']:,} {people} scored as of {summary['as_of']} into {summary['output']}"
        f" (model version {summary['model_version']})"
    )
    value = summary["value"]
    cost = (
        f", less {value['retention_cost']:z,.2f} per {people.removesuffix('s')}"
        if value["retention_cost"]
        else ""
    )
    *segments, everyone = summary["segments"]
    print_paragraph(
        f"Expected {'revenue' if subscribers else 'spend'} is {summary['expected_spend']:z,.0f}{unit} in"
        f" {summary['horizon_days']} days (80%: {everyone['expected_spend_low']:z,.0f} to"
        f" {everyone['expected_spend_high']:z,.0f}); lifetime value is {summary['clv']:z,.0f}{unit}:"
        f" the present value of {margin_said(value)} over {value['horizon_days']:,} days at"
        f" {value['discount_rate']:.0%} a year{cost}."
    )
    left_out = summary["rows_in"] - summary["rows_out"]
    if left_out and not subscribers:
        typer.echo(
            f"{left_out:,} of {summary['rows_in']:,} rows were left out; `clvml check` says why, --rejects keeps them"
        )
    of_purchases = [
        (f"spend{unit}", "{expected_spend:z,.0f}"),
        ("80% interval", "{expected_spend_low:z,.0f} to {expected_spend_high:z,.0f}"),
    ]
    of_subscribers = [
        (f"monthly price{unit}", "{monthly_price:z,.0f}"),
        (f"revenue{unit}", "{expected_spend:z,.0f}"),
    ]
    print_records(
        [
            ("Plan", "{plan}") if subscribers else ("Segment", "{segment}"),
            (people, "{customers:,}"),
            ("mean P(churn)", "{p_churn:.0%}"),
            *(of_subscribers if subscribers else of_purchases),
            (f"CLV{unit}", "{clv:z,.0f}"),
        ],
        summary["plans"] if subscribers else segments,
    )
    print_warnings(summary["warnings"])
    print_list("Notes", summary["notes"])
    if not is_address(output):
        page = ["report", "--scores", output, "--output", str(Path(output).with_suffix(".html"))]
        print_next(
            f"A page to read, the {people} in a browser and, with your own costs and currency in the"
            " playbook, who gets which action within a budget:",
            page,
            ["dashboard", "--scores", output],
            [
                "plan",
                output,
                "--budget",
                "1000",
                "--playbook",
                "configs/playbook.yaml",
                "--output",
                "plan.csv",
            ],
        )
