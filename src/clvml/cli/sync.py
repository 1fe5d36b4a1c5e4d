"""clvml sync."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from clvml.cli.options import JsonOption
from clvml.cli.printing import print_json, progress
from clvml.errors import InputError


def sync(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where trainings are kept.")] = Path(
        "mlflow-pending"
    ),
    as_json: JsonOption = False,
) -> None:
    """Upload trainings that were kept on disk because the tracking store did not answer."""
    from clvml.storage.addresses import hide_password
    from clvml.tracking import sync as upload_kept
    from clvml.tracking import tracking_uri

    if folder != Path("mlflow-pending") and not folder.is_dir():
        raise InputError(f"no folder '{folder}'; give the one in which 'clvml train' kept its results")
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))
    uploads = upload_kept(uri, folder, progress)
    failed = [upload for upload in uploads if upload.logged is None]
    if as_json:
        print_json(
            {
                "tracking_uri": hide_password(uri),
                "uploaded": len(uploads) - len(failed),
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
    if failed:
        listed = "\n".join(f"  - {upload.name}: {upload.error}" for upload in failed)
        raise InputError(
            f"{len(failed)} of {len(uploads)} could not be uploaded and still wait in '{folder}':\n{listed}"
        )
