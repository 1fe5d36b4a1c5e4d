"""clvml dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clvml.cli.inputs import load_config, now
from clvml.cli.options import ConfigOption
from clvml.cli.screen import secrets


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
        typer.Option("--data", help="The purchase log, to show the orders of each customer. Default: none."),
    ] = None,
    config: ConfigOption = None,
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
    from clvml.dashboard.server import serve
    from clvml.workflows import assume_config

    log = None
    if config is not None:
        log = load_config(config, None, data).data
    elif data is not None:
        log = assume_config(data).data

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
        log=log,
    )
