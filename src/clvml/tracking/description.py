"""A training in MLflow's terms: a name, tags, parameters, metrics and a note that people can read."""

from __future__ import annotations

import getpass
import math
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from clvml.config import AnyConfig
from clvml.evaluation.leaderboard import METRICS
from clvml.storage.addresses import hide_password
from clvml.tracking.record import TrainingRecord

# XGBoost comes in two distributions; the first that is installed counts.
PACKAGES = ("duckdb", "mlflow", "numpy", "pandas", "scikit-learn", "scipy", "shap")
XGBOOST = ("xgboost", "xgboost-cpu")
GIT_SECONDS = 5
SETTINGS_NAMED = 3
LONGEST_VALUE = 250
LONGEST_NOTE = 7500
FOLD_PREFIX = "window."
# Of names of parameters MLflow takes these signs; categories and columns of the input are made of any.
_PARAMETER = re.compile(r"[\w. -]{1,100}")
# In a note for people: what they ask for first, before the other metrics.
HEADLINE = ("wape", "total_bias", "spearman", "roc_auc", "brier")


def run_name(record: TrainingRecord) -> str:
    """Return the name of the run, such as ``max_depth=5, 2011-12-10 h180``.

    What is set otherwise than by default comes first: MLflow's table cuts long names, and it tells runs apart.
    """
    changed = [
        f"{key}={value}"
        for section in (record.config.model, record.config.windows)
        for key, value in section.model_dump(exclude_defaults=True).items()
        if key not in ("horizon_days", "n_jobs")
    ]
    more = [f"+{len(changed) - SETTINGS_NAMED}"] if len(changed) > SETTINGS_NAMED else []
    settings = " ".join([*changed[:SETTINGS_NAMED], *more])
    return f"{settings}{', ' if settings else ''}{record.as_of.isoformat()} h{record.horizon_days}"


def run_tags(record: TrainingRecord) -> dict[str, str]:
    """Return the tags: what the run saw and what it was made with."""
    tags = {
        "as_of": record.as_of.isoformat(),
        "horizon_days": str(record.horizon_days),
        "data_fingerprint": record.fingerprint,
        "registered_model": record.config.tracking.registered_model,
        "fold_cutoffs": ", ".join(f"{step}: {day}" for day, step in fold_steps(record.fold_metrics).items()),
        "mlflow.note.content": note(record),
        **environment_tags("clvml train"),
    }
    return {key: value for key, value in (tags | record.tags).items() if value}


def environment_tags(command: str) -> dict[str, str]:
    """Return the tags of what a run was made with, by which command, and by whom."""
    return {
        "clvml_version": installed_version("clvml"),
        "versions": package_versions(),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        **_git_tags(),
        "mlflow.user": user_name(),
    }


def package_versions() -> str:
    """Return the versions of Python and of the packages that figures depend on, as text."""
    packages = [f"{name} {installed_version(name)}" for name in PACKAGES]
    return ", ".join(
        [f"python {platform.python_version()}", *packages, f"xgboost {installed_version(*XGBOOST)}"]
    )


def flat_params(config: dict[str, Any]) -> dict[str, str]:
    """Return a `public_config` as ``{"section.key": text}``, as ``--set`` takes it.

    Left out: what is not set, the names of the input's columns, and the names in MLflow. A mapping of names that MLflow
    does not take is one text.
    """
    return {
        key: text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
        for key, text in _flatten(config).items()
        if not key.startswith(("data.columns.", "tracking.", "segments."))
    }


def public_config(config: AnyConfig) -> dict[str, Any]:
    """Return the configuration as nested dicts, without the password of a database."""
    return config.without_passwords().model_dump(mode="json", exclude_none=True)


def fold_series(record: TrainingRecord) -> list[tuple[str, int, float]]:
    """Return ``(key, step, value)`` of the trained model at each fold, oldest first; steps count from 1.

    The keys begin with ``window.``: under the pooled metric's own key, MLflow would show the last fold as its
    value. A slash would make them a section of charts above the pooled ones; so they come last in the alphabet.
    """
    folds = record.fold_metrics
    if folds.empty:
        return []
    name = record.model_name or folds["model"].iloc[0]
    steps = fold_steps(folds)
    mine = folds[folds["model"] == name]
    series = [
        (f"{FOLD_PREFIX}{metric}", steps[_day(cutoff)], float(value))
        for cutoff, metric, value in zip(mine["cutoff"], mine["metric"], mine["value"], strict=True)
        if math.isfinite(value)
    ]
    return sorted(series)


def fold_steps(folds: pd.DataFrame) -> dict[str, int]:
    """Return ``{cutoff: step}``, oldest first, from 1."""
    days = sorted({_day(cutoff) for cutoff in folds["cutoff"]})
    return {day: step for step, day in enumerate(days, start=1)}


def note(record: TrainingRecord) -> str:
    """Return the run's description in Markdown: how good it is, what it was trained on, and what to know."""
    source = hide_password(record.config.data.source)
    parts = [
        _headline(record.metrics),
        f"Customers of `{source}` as of {record.as_of.isoformat()}, next {record.horizon_days} days.",
    ]
    if record.verdicts:
        parts.append("\n".join(["### Against the other models", *(f"- {line}" for line in record.verdicts)]))
    if record.notes:
        parts.append("\n".join(["### Notes", *(f"- {line}" for line in record.notes)]))
    if not record.leaderboard.empty:
        board = record.leaderboard
        rows = ([name, *row] for name, row in zip(board.index, board.to_numpy(), strict=True))
        parts.append(f"### Leaderboard\n{markdown_table([board.index.name or '', *board.columns], rows)}")
    text = "\n\n".join(part for part in parts if part)
    # MLflow cuts a longer one anywhere; the whole is in the artifacts.
    return text if len(text) <= LONGEST_NOTE else f"{text[:LONGEST_NOTE].rpartition(chr(10))[0]}\n\n..."


def _headline(metrics: dict[str, float]) -> str:
    # One line, for MLflow's page shows no more than three before "Show more".
    known = [METRICS[key] for key in HEADLINE if math.isfinite(metrics.get(key, math.nan))]
    return ", ".join(f"{metric.label} **{metric.text(metrics[metric.name])}**" for metric in known)


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]], numbers: bool = True) -> str:
    """Return a table in Markdown; all columns but the first hold ``numbers``, and stand to the right, or texts."""
    rule = ["---", *["---:" if numbers else "---"] * (len(header) - 1)]
    lines = (" | ".join(str(cell).replace("|", "\\|") for cell in line) for line in (header, rule, *rows))
    return "\n".join(f"| {line} |" for line in lines)


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and all(map(_PARAMETER.fullmatch, value)):
            flat |= _flatten(value, f"{prefix}{key}.")
        elif value != []:
            flat[prefix + key] = str(value)
    return flat


def _day(cutoff: Any) -> str:
    if isinstance(cutoff, datetime | date):
        return cutoff.isoformat()[:10]
    return str(pd.Timestamp(cutoff).date())


def installed_version(*names: str) -> str:
    """Return the version of the first of these packages that is there; empty where none is."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _git_tags() -> dict[str, str]:
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {}
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    # The second is where MLflow's own pages look.
    return {
        "git_commit": f"{commit}{' with changes' if changed else ''}",
        "mlflow.source.git.commit": commit,
    }


def _git(*arguments: str) -> str:
    # No repository, no git, no answer: then the run has no commit, which is not a reason to lose it.
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()


def user_name() -> str:
    """Return who runs this, empty where the system does not say."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
