"""Uploading trainings that were kept on disk while the tracking store did not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clvml.errors import InputError
from clvml.tracking import pending


def sync(folder: Path, uri: str, progress: Callable[[str], None] = lambda text: None) -> list[pending.Upload]:
    """Upload what waits in a folder, oldest first; each training is in the store once or not at all.

    Raises
    ------
    InputError
        There is no such folder (the one by default need not be there), or another sync is at work on it.
    StoreUnreachable
        The store does not answer; what was uploaded until then is, the rest still waits.
    """
    if folder != Path(pending.PENDING_FOLDER) and not folder.is_dir():
        raise InputError(f"no folder '{folder}'; give the one in which 'clvml train' kept its results")
    return pending.sync(uri, folder, progress)


def check_uploads(uploads: list[pending.Upload], folder: Path) -> None:
    """Raise InputError where a training still waits."""
    if failed := [upload for upload in uploads if upload.logged is None]:
        listed = "\n".join(f"  - {upload.name}: {upload.error}" for upload in failed)
        raise InputError(
            f"{len(failed)} of {len(uploads)} could not be uploaded and still wait in '{folder}':\n{listed}"
        )
