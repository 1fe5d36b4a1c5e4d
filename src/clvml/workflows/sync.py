"""Uploading trainings that were kept on disk while the tracking store did not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clvml import tracking
from clvml.errors import InputError
from clvml.storage.addresses import hide_password
from clvml.tracking.pending import PENDING_FOLDER, Upload


@dataclass(frozen=True)
class Synced:
    """What became of the trainings of a folder.

    Attributes
    ----------
    uri : str
        The tracking store, without its password.
    uploads : list of Upload
        In the order in which they were trained.
    """

    uri: str
    folder: Path
    uploads: list[Upload]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``clvml sync --json`` prints."""
        return {
            "tracking_uri": self.uri,
            "uploaded": sum(upload.logged is not None for upload in self.uploads),
            "uploads": list(map(asdict, self.uploads)),
        }

    def check(self) -> None:
        """Raise InputError where a training still waits."""
        if failed := [upload for upload in self.uploads if upload.logged is None]:
            listed = "\n".join(f"  - {upload.name}: {upload.error}" for upload in failed)
            raise InputError(
                f"{len(failed)} of {len(self.uploads)} could not be uploaded and still wait in '{self.folder}':\n"
                f"{listed}"
            )


def sync(folder: Path, uri: str, progress: Callable[[str], None] = lambda text: None) -> Synced:
    """Upload what waits in a folder; each training is in the store once or not at all.

    Raises
    ------
    InputError
        There is no such folder (the one by default need not be there), or another sync is at work on it.
    StoreUnreachable
        The store does not answer; what was uploaded until then is, the rest still waits.
    """
    if folder != Path(PENDING_FOLDER) and not folder.is_dir():
        raise InputError(f"no folder '{folder}'; give the one in which 'clvml train' kept its results")
    return Synced(hide_password(uri), folder, tracking.sync(uri, folder, progress))
