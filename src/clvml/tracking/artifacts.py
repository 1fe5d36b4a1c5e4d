"""The files of a run, written to a folder that is then handed to MLflow in one go."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pandas as pd
import yaml

from clvml.errors import InputError
from clvml.evaluation.reach import churn_reach
from clvml.tracking.description import public_config
from clvml.tracking.record import TrainingRecord

# What a model may consist of: none of these can run code when it is read.
MODEL_ENDINGS = {".json", ".txt", ".csv", ".yaml", ".md"}
LEADERBOARD_TABLE = "leaderboard.json"
CONFIG_FILE = "config.yaml"
QUALITY_FILE = "quality.json"
PREDICTIONS_FILE = "predictions.parquet"


def write_run_files(record: TrainingRecord, folder: Path) -> None:
    """Write everything of a training but the model into an existing, empty folder.

    ``config.yaml``, ``quality.json``, ``quality.txt``, ``leaderboard.csv``, ``leaderboard.json`` (as MLflow
    shows tables), ``fold_metrics.csv``, ``predictions.parquet``, ``churn_cutoffs.csv``, ``verdicts.txt``,
    ``notes.txt``, ``drivers.csv``, ``retention.csv``, ``report.html`` and ``plots/*.png``. What is empty is left out.
    """
    _write(
        folder / CONFIG_FILE,
        yaml.safe_dump(public_config(record.config), sort_keys=False, allow_unicode=True),
    )
    _write(folder / QUALITY_FILE, json.dumps(record.quality, indent=2, ensure_ascii=False))
    _write(folder / "quality.txt", record.quality_text)
    if not record.leaderboard.empty:
        record.leaderboard.to_csv(folder / "leaderboard.csv")
        record.leaderboard.reset_index().to_json(folder / LEADERBOARD_TABLE, orient="split", index=False)
    for name in ("fold_metrics", "drivers", "retention"):
        table: pd.DataFrame = getattr(record, name)
        if not table.empty:
            table.to_csv(folder / f"{name}.csv", index=False)
    if not record.predictions.empty:
        # Sorted so that equal neighbours compress away; nothing is rounded.
        ordered = record.predictions.sort_values(["cutoff", "customer_id"], kind="stable", ignore_index=True)
        ordered.to_parquet(folder / PREDICTIONS_FILE, index=False, compression="zstd")
        reach = churn_reach(record.predictions["churned"], record.predictions["p_churn"])
        reach.to_csv(folder / "churn_cutoffs.csv", index=False)
    for name, lines in (("verdicts.txt", record.verdicts), ("notes.txt", record.notes)):
        if lines:
            _write(folder / name, "\n".join(lines))
    if record.page:
        _write(folder / "report.html", record.page)
    if record.figures:
        (folder / "plots").mkdir()
    for name, picture in record.figures.items():
        (folder / "plots" / f"{name}.png").write_bytes(picture)


def copy_model(directory: Path, folder: Path) -> Path:
    """Copy a saved model to ``folder/model`` and return that: MLflow keeps the folder's name.

    Raises
    ------
    ValueError
        There is no ``model.json``, or a file that is not plain data.
    InputError
        There is a link, or another thing that is neither file nor folder.
    """
    refuse_links(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if directory / "model.json" not in files:
        raise ValueError(f"no model.json in '{directory}'; save the model there first")
    foreign = [str(path.relative_to(directory)) for path in files if path.suffix not in MODEL_ENDINGS]
    if foreign:
        raise ValueError(
            f"a model is made of {', '.join(sorted(MODEL_ENDINGS))} files; '{directory}' also holds "
            f"{len(foreign)} other(s): {', '.join(foreign[:3])}"
        )
    return Path(shutil.copytree(directory, folder / "model"))


def refuse_links(directory: Path) -> None:
    """Refuse a folder that is not made of files and folders of its own: what a link leads to is not ours to upload.

    Raises
    ------
    InputError
        The folder, or something in it, is a link, a file that has another name elsewhere, a pipe or a device.
    """
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        plain = stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
        if not plain:
            kind = (
                "a link"
                if stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode)
                else "a pipe or device"
            )
            raise InputError(
                f"'{path}' is {kind}, and only files of its own folder are uploaded; put a copy of the file in its "
                "place, or delete the folder"
            )


def _write(path: Path, text: str) -> None:
    path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
