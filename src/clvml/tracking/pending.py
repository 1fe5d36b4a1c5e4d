"""Trainings that could not be logged, kept in a folder until the store answers: plain files, nothing pickled."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, Field, field_validator

from clvml.config import parse_any_config
from clvml.errors import InputError
from clvml.storage.files import plain_name
from clvml.tracking.artifacts import copy_model, refuse_links
from clvml.tracking.description import public_config, run_tags
from clvml.tracking.record import STARTED_TAG, UPLOAD_TAG, LoggedRun, StoreUnreachable, TrainingRecord

PENDING_FOLDER = "mlflow-pending"
_RECORD = "record.json"
_LOCK = ".lock"
_TABLES = ("fold_metrics", "leaderboard", "drivers", "signature_example", "predictions")
# That of purchases has none, nor has one that an older version kept.
_RETENTION = "retention.parquet"


class _Kept(BaseModel):
    """What the record of a kept training holds."""

    config: dict[str, Any]
    as_of: date
    horizon_days: Annotated[int, Field(gt=0)]
    fingerprint: str
    quality: dict[str, Any]
    quality_text: str
    metrics: dict[str, float]
    verdicts: list[str]
    notes: list[str]
    model_name: str
    # A training that was kept by an older version has none.
    page: str = ""
    tags: dict[str, str]

    @field_validator("tags")
    @classmethod
    def _tags_name_the_upload(cls, tags: dict[str, str]) -> dict[str, str]:
        # It is looked for in the store.
        if not re.fullmatch("[0-9a-f]{32}", tags.get(UPLOAD_TAG, "")):
            raise ValueError(f"'{UPLOAD_TAG}' is not an identifier")
        datetime.fromisoformat(tags.get(STARTED_TAG, ""))
        return tags


@dataclass(frozen=True)
class Upload:
    """What `sync` did with one kept training.

    Attributes
    ----------
    name : str
        Of its folder.
    logged : LoggedRun or None
        None where it could not be uploaded.
    error : str
        Why not; the folder is still there then.
    """

    name: str
    logged: LoggedRun | None
    error: str = ""


def keep_training(record: TrainingRecord, folder: Path) -> Path:
    """Write everything that `log_training` needs into a new folder below `folder`, and return that.

    It appears under its name when it is complete.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    moment = datetime.now(UTC)
    identifier = uuid.uuid4().hex
    named = plain_name(record.config.tracking.experiment)
    name = f"{named}-{record.as_of.isoformat()}-{moment.strftime('%Y%m%dT%H%M%S')}-{identifier[:4]}"
    draft = folder / f".{name}"
    # Commit, versions and user are those of the training, not those of the upload.
    tags = run_tags(record) | {UPLOAD_TAG: identifier, STARTED_TAG: moment.isoformat(timespec="seconds")}
    try:
        draft.mkdir(parents=True)
        for table in _TABLES:
            # The name of the index is part of a leaderboard.
            getattr(record, table).to_parquet(draft / f"{table}.parquet", compression="zstd")
        if not record.retention.empty:
            record.retention.to_parquet(draft / _RETENTION, compression="zstd")
        (draft / "plots").mkdir()
        for title, picture in record.figures.items():
            (draft / "plots" / f"{title}.png").write_bytes(picture)
        copy_model(record.model_directory, draft)
        content = {key: getattr(record, key) for key in _Kept.model_fields}
        content |= {"config": public_config(record.config), "tags": tags}
        (draft / _RECORD).write_text(json.dumps(content, ensure_ascii=False, default=str), encoding="utf-8")
        return draft.rename(folder / name)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise InputError(
            f"the training cannot be kept in '{folder}': {error.strerror or error}; make room or start in another "
            "folder"
        ) from error


def kept_trainings(folder: Path) -> list[Path]:
    """Return the folders of the trainings that wait, oldest first."""
    found = [path.parent for path in folder.glob(f"*/{_RECORD}") if not path.parent.name.startswith(".")]
    return sorted(found, key=lambda path: (path / _RECORD).stat().st_mtime)


def read_kept(directory: Path) -> TrainingRecord:
    """Read what `keep_training` wrote.

    Raises
    ------
    InputError
        Something of it is missing or damaged, or leads out of its folder.
    """
    refuse_links(directory)
    try:
        content = _Kept.model_validate_json((directory / _RECORD).read_text(encoding="utf-8"))
        fields = content.model_dump(exclude={"config"})
        fields |= {table: pd.read_parquet(directory / f"{table}.parquet") for table in _TABLES}
        if (directory / _RETENTION).is_file():
            fields["retention"] = pd.read_parquet(directory / _RETENTION)
        figures = {path.stem: path.read_bytes() for path in sorted((directory / "plots").glob("*.png"))}
        return TrainingRecord(
            config=parse_any_config(content.config, f"configuration in '{directory}'"),
            figures=figures,
            model_directory=directory / "model",
            **fields,
        )
    except InputError:
        # Of the configuration, and clear by itself.
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        # The last line of a schema's complaint is a link.
        problem = " ".join(str(error).splitlines()[:3])
        raise InputError(
            f"the kept training '{directory}' is damaged ({type(error).__name__}: {problem}); delete the folder, and "
            "train again"
        ) from error


def sync(uri: str, folder: Path, progress: Callable[[str], None] = lambda text: None) -> list[Upload]:
    """Log the trainings that were kept, oldest first, and delete the folder of each that is logged.

    May be broken off anywhere and started again: a training is in the store once or not at all.

    Raises
    ------
    InputError
        Another sync is at work on the folder.
    StoreUnreachable
        The store does not answer; what was uploaded until then is, the rest still waits.
    """
    from clvml.tracking.runs import log_training, uploaded_before

    uploads = []
    if not kept_trainings(folder):
        return []
    with _only_one(folder):
        for directory in kept_trainings(folder):
            progress(f"uploading {directory.name}")
            try:
                record = read_kept(directory)
                logged = uploaded_before(record, uri) or log_training(record, uri)
            except StoreUnreachable:
                raise
            except InputError as error:
                # One that cannot be read must not keep the others from being uploaded.
                uploads.append(Upload(directory.name, None, str(error)))
                continue
            # Renamed first, so that half of a folder is never taken for a training.
            gone = directory.rename(directory.with_name(f".{directory.name}"))
            shutil.rmtree(gone, ignore_errors=True)
            uploads.append(Upload(directory.name, logged))
    if not any(folder.glob(f"*/{_RECORD}")):
        (folder / _LOCK).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    return uploads


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends: the file lock of an SQLite database."""
    connection = sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise InputError(
            f"'{folder}' is being uploaded by another 'clvml sync', or cannot be written ({error}); wait for the other"
        ) from None
    try:
        yield
    finally:
        connection.rollback()
        connection.close()
