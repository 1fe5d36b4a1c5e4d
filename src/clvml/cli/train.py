"""clvml train."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    DataOption,
    EngineOption,
    JsonOption,
    MasterOption,
    MemoryOption,
    RejectsOption,
    SetOption,
)
from clvml.cli.printing import (
    command_line,
    print_json,
    print_leaderboard,
    print_list,
    print_mlflow_page,
    print_paragraph,
    progress,
    say_rejects,
)

if TYPE_CHECKING:
    from clvml.config import AnyConfig
    from clvml.tracking.record import LoggedRun
    from clvml.workflows import Prepared, Trained


def train(
    config: ConfigOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    rejects: RejectsOption = None,
    memory: MemoryOption = None,
    engine: EngineOption = "duckdb",
    master: MasterOption = None,
    overrides: SetOption = None,
    from_run: Annotated[
        str | None,
        typer.Option("--from-run", help="Train again what a run, version or alias was trained with."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train, test out of time against the baselines, explain, log to MLflow, register."""
    from clvml import workflows
    from clvml.config import Config, SubscriptionConfig
    from clvml.storage.addresses import hide_password

    until = parse_date(as_of)
    uri = store_uri()
    again = None
    settings: Config | SubscriptionConfig
    if from_run is None:
        settings = load_any_config(config, overrides, data)
    else:
        registered = load_any_config(config, None).tracking.registered_model if config else "clvml"
        again = workflows.train_again(from_run, registered, uri, overrides, data, until)
        settings, until = again.config, again.as_of
    if isinstance(settings, SubscriptionConfig):
        spark = None if engine == "duckdb" else engine
        refuse_for_subscriptions(rejects=rejects, memory=memory, engine=spark, master=master)
    progress(f"reading {hide_password(settings.data.source)}")

    def told(prepared: Prepared) -> None:
        if not as_json:
            typer.echo(prepared.log.quality.to_text())
            if isinstance(settings, Config):
                say_rejects(prepared, rejects)

    with workspace(memory) as connection, spark_session(engine, master, rejects) as session:
        done = workflows.train_and_log(
            settings, uri, now(), connection, session, until, rejects, again, told, progress
        )
    trained, logged = done.trained, done.logged
    if as_json:
        print_json(
            {
                "run_id": logged.run_id if logged else None,
                "model_version": logged.model_version if logged else None,
                "model_uri": logged.model_uri if logged else None,
                "alias": logged.alias if logged else None,
                "experiment": settings.tracking.experiment,
                "tracking_uri": hide_password(uri),
                "mlflow_page": logged.mlflow_page if logged else None,
                "pending": str(done.kept) if done.kept else None,
                "pending_reason": done.reason or None,
                "as_of": done.prepared.as_of,
                "answer": workflows.answer(trained.backtest) if trained.backtest else None,
                "metrics": trained.record.metrics,
                "verdicts": trained.record.verdicts,
                "drivers": trained.driver_sentences,
                "reproduced": done.reproduced,
                "warnings": [asdict(found) for found in done.prepared.log.quality.warnings],
                "notes": done.notes,
            }
        )
        return
    _print_trained(trained, done.notes, done.reproduced)
    if logged is not None:
        _print_logged(logged, settings, uri)
    else:
        _print_kept(done.kept, done.reason, settings)


def _print_trained(trained: Trained, notes: list[str], reproduced: dict[str, Any] | None) -> None:
    if trained.backtest:
        print_leaderboard(trained.backtest)
    print_list("What drives retention", trained.driver_sentences)
    print_list("Notes", notes)
    if reproduced is None:
        return
    typer.echo()
    if reproduced["same_metrics"]:
        print_paragraph(f"All metrics are those of run {reproduced['run_id']}, to the last digit.")
        return
    changed = ", ".join(f"{k} {v['now']} (was {v['then']})" for k, v in reproduced["changed"].items())
    print_paragraph(f"Metrics that are not those of run {reproduced['run_id']}: {changed}")


def _people(settings: AnyConfig) -> str:
    from clvml.config import SubscriptionConfig
    from clvml.scores.columns import whom

    return whom(isinstance(settings, SubscriptionConfig))


def _print_logged(logged: LoggedRun, settings: AnyConfig, uri: str) -> None:
    name = settings.tracking.registered_model
    which = logged.model_uri if logged.alias != "champion" else f"models:/{name}@champion"
    options = [] if which == "models:/clvml@champion" else ["--model", which]
    typer.echo(
        f"\nThe model is {logged.model_uri}, now the {logged.alias} of '{name}'. Score {_people(settings)} with"
    )
    typer.echo(f"  {_score_command(settings, options)}")
    typer.echo(f"Plots and metrics are in run {logged.run_id} of experiment '{logged.experiment}':")
    print_mlflow_page(uri, logged.mlflow_page)


def _print_kept(kept: Path | None, reason: str, settings: AnyConfig) -> None:
    from clvml.tracking.pending import PENDING_FOLDER

    typer.echo()
    print_paragraph(f"Not logged: {reason}")
    typer.echo(f"\nNothing is lost: the training is in {kept}. When the store answers, upload it with")
    elsewhere = [] if kept is None or kept.parent == Path(PENDING_FOLDER) else [str(kept.parent)]
    typer.echo(f"  {command_line('clvml', 'sync', *elsewhere)}")
    typer.echo(f"Until then, score {_people(settings)} with")
    model = ["--model", f"{kept}/model"]
    typer.echo(f"  {_score_command(settings, model)}")


def _score_command(settings: AnyConfig, options: list[str]) -> str:
    from clvml.storage.addresses import hide_password

    # Several sources are read as the model's configuration says.
    source = [] if settings.data.sources else [hide_password(settings.data.source)]
    return command_line("clvml", "score", *source, "--output", "scores.csv", *options)
