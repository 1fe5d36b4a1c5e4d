"""clvml dashboard."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import load_any_config, now, refuse_for_subscriptions, store_in_use
from clvml.cli.screen import secrets

if TYPE_CHECKING:
    from clvml.config import AnyConfig, DataConfig
    from clvml.outcomes.model_state import ModelState


def dashboard(
    scores: Annotated[
        Path, typer.Option("--scores", help="What `clvml score` wrote (.csv or .parquet).")
    ] = Path("scores.csv"),
    before: Annotated[
        Path | None, typer.Option("--before", help="An earlier scored file, to see who moved.")
    ] = None,
    contacts: Annotated[
        Path | None,
        typer.Option(
            "--contacts", help="E-mail addresses (customer_id, email), for lists that e-mail tools take."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The purchase log, to show the orders of each customer. Default: that of --config, if it can be read.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration (YAML): how the log is read, and the experiment on the page Trust.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8050,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; any but this machine's needs a password.")
    ] = "127.0.0.1",
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            envvar="CLVML_DASHBOARD_PASSWORD",
            help="That the browser asks for. Better in the environment: others see command lines.",
        ),
    ] = None,
) -> None:
    """Look through the scored customers in a browser: search, filter, download; until Ctrl-C."""
    from clvml.config import Config, SubscriptionConfig
    from clvml.dashboard.server import serve

    settings = load_any_config(config, None, data) if config is not None else None
    if isinstance(settings, SubscriptionConfig):
        refuse_for_subscriptions(data=data)
    uri = store_in_use()
    if password:
        secrets.add([password])
    serve(
        scores,
        now,
        lambda address: typer.echo(f"The dashboard is at {address}; Ctrl-C ends it."),
        host=host,
        port=port,
        password=password,
        before=before,
        contacts=contacts,
        log=settings.data if isinstance(settings, Config) else _assumed(data),
        without_log=None
        if data is not None
        else lambda why: typer.echo(f"note: the orders of customers are not shown: {why}", err=True),
        ask_models=partial(_ask_models, uri, settings) if uri is not None else None,
    )


def _assumed(data: str | None) -> DataConfig | None:
    if data is None:
        return None
    from clvml.workflows import assume_config

    return assume_config(data).data


def _ask_models(uri: str, settings: AnyConfig | None) -> ModelState:
    # MLflow takes seconds to import, which nobody waits for at the start.
    from clvml.tracking.standing import model_state

    if settings is None:
        return model_state(uri, None, "clvml")
    return model_state(uri, settings.tracking.experiment, settings.tracking.registered_model)
