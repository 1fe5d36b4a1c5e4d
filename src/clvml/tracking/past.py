"""Runs of the past, as they lie in the store: what they were made with, how good they were, what they predicted."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from clvml.errors import InputError, did_you_mean
from clvml.evaluation.backtest import MODEL_NAME
from clvml.storage.yaml_text import parse_yaml
from clvml.tracking.artifacts import PREDICTIONS_FILE
from clvml.tracking.record import KIND_TAG, UNTESTED, VARIANT
from clvml.tracking.registry import (
    REGISTERED_FORM,
    RUN_FORM,
    find_run,
    find_version,
    search_versions,
    versions_of,
)
from clvml.tracking.session import Store, all_pages, check_answer, mlflow, registered_aliases

PREDICTION_COLUMNS = ["cutoff", "customer_id", "actual_spend", "churned", "spend", "p_churn"]


@dataclass(frozen=True)
class PastRun:
    """A run in the store.

    Attributes
    ----------
    status : str
        "finished", "failed", "running" or "killed"; "deleted" if it lies in MLflow's trash.
    started : datetime
        With its time zone, UTC.
    registered_model, version, alias : str
        Under which name and number its model is registered, and by which alias it is known; empty without.
    """

    run_id: str
    name: str
    status: str
    started: datetime
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]
    registered_model: str = ""
    version: str = ""
    alias: str = ""

    @property
    def label(self) -> str:
        """Return what people call it: the version where there is one, else the name and the id."""
        return f"version {self.version}" if self.version else f"run {self.run_id}"

    @property
    def is_variant(self) -> bool:
        """Whether it is a variant of an experiment and not a training."""
        return self.tags.get(KIND_TAG) == VARIANT

    @property
    def as_of(self) -> str:
        return self.tags.get("as_of", "")

    @property
    def horizon_days(self) -> str:
        return self.tags.get("horizon_days", "")

    @property
    def fingerprint(self) -> str:
        return self.tags.get("data_fingerprint", "")


def past_run(store: Store, reference: str, registered_model: str) -> PastRun:
    """Return the run that `reference` means: an alias, a version, ``models:/...``, a run id or ``runs:/...``.

    Raises
    ------
    InputError
        The reference means nothing in the store, or a version that no run made.
    """
    reference = reference.strip()
    if match := REGISTERED_FORM.fullmatch(reference):
        return _run_of_version(store, match["name"], match["alias"] or match["version"])
    if match := RUN_FORM.fullmatch(reference):
        found = find_run(store, match["run_id"])
        versions = search_versions(store, f"run_id='{match['run_id']}'")
        named = [v for v in versions if v.name == registered_model] or versions
        newest = max(named, key=lambda version: int(version.version), default=None)
        if newest is None:
            return _past_run(found)
        number = str(newest.version)
        return _past_run(found, newest.name, number, _alias(store, newest.name, number))
    if not reference or ":" in reference:
        raise InputError(
            f"'{reference}' is not a version or run; give a version number, champion, challenger, "
            "models:/NAME/VERSION or a run id"
        )
    return _run_of_version(store, registered_model, reference)


def champion_of(store: Store, registered_model: str) -> PastRun | None:
    """Return the run of the champion of a name; None where the name has none."""
    version = registered_aliases(store, registered_model).get("champion")
    return _run_of_version(store, registered_model, version) if version else None


def experiment_runs(
    store: Store, experiment: str | None, limit: int, default_model: str
) -> tuple[str, list[PastRun]]:
    """Return the name of the experiment and its newest runs, at most `limit`, the newest first.

    Without a name, the only experiment that has runs.

    Raises
    ------
    InputError
        There is no such experiment, it was deleted, it has no run, or there are several to choose from.
    """
    experiment = experiment or _only_experiment(store)
    found = store.client.get_experiment_by_name(experiment)
    if found is None:
        known = sorted(other.name for other in store.client.search_experiments())
        raise InputError(
            f"no experiment '{experiment}' in '{store.shown}'{did_you_mean(experiment, known)}; it has: "
            f"{', '.join(known[:8])}; give one of them to --experiment"
        )
    check_answer(store, "the experiment", experiment, found.name)
    if found.lifecycle_stage == "deleted":
        raise InputError(
            f"experiment '{experiment}' was deleted in '{store.shown}'; restore it with 'mlflow experiments "
            f"restore --experiment-id {found.experiment_id}', or give another to --experiment"
        )
    all_runs = all_pages(store.client.search_runs, [found.experiment_id])
    tested = (run for run in all_runs if run.data.tags.get(KIND_TAG) not in UNTESTED)
    runs = list(itertools.islice(tested, limit))
    if not runs:
        raise InputError(f"experiment '{experiment}' has no runs yet; run 'clvml train' first")
    versions = _versions_by_run(store, dict.fromkeys([*_model_names(store, runs), default_model]))
    return experiment, [_past_run(run, *versions.get(run.info.run_id, ())) for run in runs]


def read_predictions(store: Store, run: PastRun) -> pd.DataFrame | None:
    """Return the out-of-time predictions of a run, or None where it kept none.

    One row per (`cutoff`, `customer_id`), sorted, with `actual_spend`, `churned`, `spend` and `p_churn`.
    """
    table = _read(store, run, PREDICTIONS_FILE, pd.read_parquet, (OSError, pa.ArrowInvalid))
    if table is None:
        return None
    # A variant of an experiment keeps the predictions of the baselines as well.
    table = table.rename(columns={f"spend/{MODEL_NAME}": "spend", f"churn/{MODEL_NAME}": "p_churn"})
    if not set(PREDICTION_COLUMNS) <= set(table.columns):
        return None
    return table[PREDICTION_COLUMNS].sort_values(["cutoff", "customer_id"], kind="stable", ignore_index=True)


def read_mapping(store: Store, run: PastRun, name: str) -> dict[str, Any] | None:
    """Return a YAML or JSON file of a run as a dict, or None where there is no such thing."""
    faults = (OSError, UnicodeDecodeError, yaml.YAMLError)
    found = _read(store, run, name, lambda path: parse_yaml(path.read_text(encoding="utf-8")), faults)
    return found if isinstance(found, dict) else None


def _read(
    store: Store,
    run: PastRun,
    name: str,
    read: Callable[[Path], Any],
    faults: tuple[type[Exception], ...],
) -> Any:
    """Return what a file of a run holds, or None where it is not there or ``read`` finds one of the faults."""
    if name not in {item.path for item in store.client.list_artifacts(run.run_id)}:
        return None
    with tempfile.TemporaryDirectory(prefix="clvml-") as folder:
        path = mlflow.artifacts.download_artifacts(
            run_id=run.run_id, artifact_path=name, dst_path=folder, tracking_uri=store.uri
        )
        try:
            return read(Path(path))
        except faults:
            return None


def _run_of_version(store: Store, name: str, alias_or_version: str) -> PastRun:
    version = find_version(store, name, alias_or_version)
    run_id = store.client.get_model_version(name, version).run_id
    if not run_id:
        raise InputError(
            f"version {version} of '{name}' was not made by a run of clvml; choose another version, or set "
            "tracking.registered_model to a name of clvml's own"
        )
    return _past_run(find_run(store, run_id), name, version, _alias(store, name, version))


def _alias(store: Store, name: str, version: str) -> str:
    return _preferred(alias for alias, number in registered_aliases(store, name).items() if number == version)


def _preferred(aliases: Iterable[str]) -> str:
    return min(aliases, key=lambda alias: (alias != "champion", alias != "challenger", alias), default="")


def _model_names(store: Store, runs: Iterable[Any]) -> Iterator[str]:
    for run in runs:
        if "registered_model" in run.data.tags:
            yield run.data.tags["registered_model"]
        else:
            # A run of an earlier release.
            yield from (found.name for found in search_versions(store, f"run_id='{run.info.run_id}'"))


def _versions_by_run(store: Store, names: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    found: dict[str, tuple[str, str, str]] = {}
    for name in names:
        aliases = registered_aliases(store, name)
        versions = versions_of(store, name)
        for version in sorted(versions, key=lambda item: int(item.version)):
            number = str(version.version)
            mine = _preferred(alias for alias, other in aliases.items() if other == number)
            found[version.run_id] = (name, number, mine)
    return found


def _only_experiment(store: Store) -> str:
    used = [
        experiment.name
        for experiment in store.client.search_experiments()
        if store.client.search_runs([experiment.experiment_id], max_results=1)
    ]
    if not used:
        raise InputError(f"no runs yet in '{store.shown}'; run 'clvml train' first")
    if len(used) > 1:
        raise InputError(
            f"'{store.shown}' has runs of {len(used)} experiments; give one of them to --experiment: "
            f"{', '.join(sorted(used)[:8])}"
        )
    return str(used[0])


def _past_run(run: Any, registered_model: str = "", version: str = "", alias: str = "") -> PastRun:
    deleted = run.info.lifecycle_stage != "active"
    return PastRun(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status="deleted" if deleted else run.info.status.lower(),
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        registered_model=registered_model,
        version=version,
        alias=alias,
    )
