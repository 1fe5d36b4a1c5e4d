"""clvml sync."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from clvml.cli.inputs import store_uri
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
    from clvml.storage.addresses import hide_password

    uri = store_uri()
    uploads = workflows.sync(folder, uri, progress)
    if as_json:
        print_json(
            {
                "tracking_uri": hide_password(uri),
                "uploaded": sum(upload.logged is not None for upload in uploads),
                "uploads": list(map(asdict, uploads)),
            }
        )
    elif not uploads:
        typer.echo(f"Nothing waits in {folder}.")
    else:
        for upload in uploads:
            if upload.logged:
                alias = f", now the {upload.logged.alias}" if upload.logged.alias else ""
                typer.echo(f"{upload.name}: run {upload.logged.run_id}, {upload.logged.model_uri}{alias}")
    workflows.check_uploads(uploads, folder)
