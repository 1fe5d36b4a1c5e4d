"""clvml sql."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvml.cli.inputs import load_config, parse_date, store_uri
from clvml.cli.options import ConfigOption, JsonOption, SetOption
from clvml.cli.printing import print_json
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.config import Config
    from clvml.customers.events import EventKind


def sql(
    dialect: Annotated[
        str, typer.Option("--dialect", "-d", help="duckdb, spark, postgres, sqlite, bigquery, snowflake, ...")
    ],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="First day not used (YYYY-MM-DD); required.")
    ] = None,
    table: Annotated[str, typer.Option("--table", help="Table or view of order lines.")] = "orders",
    customers: Annotated[
        str, typer.Option("--customers", help="Table or view of customers, for data.attributes.")
    ] = "customers",
    events: Annotated[
        str, typer.Option("--events", help="Table or view of events, for data.events.")
    ] = "events",
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Whose kinds of events are counted: champion, a version, a folder, ..."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Its columns: customer_id=...,order_date=...,amount=...,..."),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option("--horizon", min=1, help="Days of future to predict (the model's).")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL that makes the feature table in a warehouse."""
    from clvml.engines.warehouse import check_dialect, counted_events, feature_sql, utc_notes
    from clvml.log.attribute_reading import read_customer_table

    dialect = check_dialect(dialect)
    until = parse_date(as_of)
    if until is None:
        raise InputError("the query needs a date; add --as-of YYYY-MM-DD, the first day not used")
    settings = _settings(config, overrides, table, columns, horizon)
    reads = settings.data.attributes is not None and "attributes" not in settings.model.leave_out
    attributes = read_customer_table(settings.data)[1].useful if reads else ()
    if customers != "customers" and not attributes:
        raise InputError(
            "--customers names a table of attributes, and there are none; give a --config with data.attributes"
        )
    counted = None
    if settings.data.events is not None and "events" not in settings.model.leave_out:
        counted = counted_events(settings.data, events, _kinds(model, settings))
    elif events != "events" or model is not None:
        raise InputError(
            "--events and --model are of events, and there are none; give a --config with data.events"
        )
    query = feature_sql(
        settings.data, table, until, settings.windows.horizon_days, dialect, customers, attributes, counted
    )
    notes = utc_notes(settings.data)
    if as_json:
        print_json(
            {
                "dialect": dialect,
                "table": table,
                "customers": customers if attributes else None,
                "events": events if counted else None,
                "as_of": until,
                "horizon_days": settings.windows.horizon_days,
                "sql": query,
                "notes": notes,
            }
        )
        return
    typer.echo(f"{query};")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _kinds(model: str | None, settings: Config) -> tuple[EventKind, ...]:
    from clvml.scores.scorer import Scorer
    from clvml.scores.subscribers import load_scorer
    from clvml.tracking.registry import resolve_model

    if model is None:
        raise InputError(
            "a model says which types of events it counts (data.events); name it with --model, or leave them out with"
            " --set data.events=null"
        )
    uri = store_uri()
    found = resolve_model(model, settings.tracking.registered_model, uri)
    scorer = load_scorer(found.directory, found.version, found.run_id)
    if not (isinstance(scorer, Scorer) and scorer.model.trees.events):
        raise InputError(f"model '{model}' counts no events; name another, or add --set data.events=null")
    return scorer.model.trees.events


def _settings(
    config: Path | None, overrides: list[str] | None, table: str, columns: str | None, horizon: int | None
) -> Config:
    from clvml.config import assign, parse_config

    asked = [f"data.columns.{pair}" for pair in (columns or "").split(",") if pair]
    if horizon is not None:
        asked.append(f"windows.horizon_days={horizon}")
    asked += overrides or []
    if config is not None:
        return load_config(config, asked)
    raw: dict[str, Any] = {"data": {"source": table, "columns": {}}, "windows": {}}
    for assignment in asked:
        assign(raw, assignment)
    return parse_config(raw, "what --columns, --horizon and --set say")
