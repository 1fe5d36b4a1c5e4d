"""clvml sync."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from clvml.cli.options import JsonOption
from clvml.cli.printing import print_json, progress


def sync(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where trainings are kept.")] = Path(
        "mlflow-pending"
    ),
    as_json: JsonOption = False,
) -> None:
    """Upload trainings that were kept on disk because the tracking store did not answer."""
    from clvml import workflows
    from clvml.tracking import tracking_uri

    done = workflows.sync(folder, tracking_uri(os.environ.get("MLFLOW_TRACKING_URI")), progress)
    if as_json:
        print_json(done.as_dict())
    elif not done.uploads:
        typer.echo(f"Nothing waits in {folder}.")
    else:
        for upload in done.uploads:
            if upload.logged:
                alias = f", now the {upload.logged.alias}" if upload.logged.alias else ""
                typer.echo(f"{upload.name}: run {upload.logged.run_id}, {upload.logged.model_uri}{alias}")
    done.check()
