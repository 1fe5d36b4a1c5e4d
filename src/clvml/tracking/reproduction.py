"""A training of the past, to be done again: its configuration, its date, and whether the data is still the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from clvml.config import AnyConfig, parse_any_config
from clvml.errors import InputError
from clvml.tracking.artifacts import CONFIG_FILE, QUALITY_FILE
from clvml.tracking.description import FOLD_PREFIX, package_versions
from clvml.tracking.past import past_run, read_mapping
from clvml.tracking.session import open_store

# What the quality report says of the log that was used, and how to call it.
_COUNTED = {
    "rows_out": "rows",
    "customers": "customers",
    "first_day": "first day",
    "last_day": "last day",
    "money_out": "total",
}


@dataclass(frozen=True)
class RecordedTraining:
    """What a run remembers of its training.

    Attributes
    ----------
    fingerprint : str
        Of the purchase log.
    quality : dict
        The data-quality report.
    metrics : dict of str to float
        Pooled ones, by key.
    versions : str
        Of Python and the packages.
    """

    run_id: str
    config: AnyConfig
    as_of: date
    fingerprint: str
    quality: dict[str, Any]
    metrics: dict[str, float]
    versions: str

    def data_changes(self, fingerprint: str, quality: dict[str, Any]) -> str:
        """Return in words how a purchase log differs from the one of the run; empty where it is the same."""
        if fingerprint == self.fingerprint:
            return ""
        now = json.loads(json.dumps(quality, default=str))
        changes = [
            f"{name} {_text(now.get(key))} instead of {_text(self.quality.get(key))}"
            for key, name in _COUNTED.items()
            if now.get(key) != self.quality.get(key)
        ]
        return ", ".join(changes) or "as many rows and as much money, but other lines"

    def environment_changes(self) -> str:
        """Return the packages that have another version now, in words; empty where none has."""
        before, now = (dict(part.split(" ", 1) for part in text.split(", ") if " " in part)
                       for text in (self.versions, package_versions()))  # fmt: skip
        changed = (
            f"{name} {now.get(name, 'none')} instead of {was}"
            for name, was in before.items()
            if now.get(name) != was
        )
        return ", ".join(changed)

    def metric_changes(self, metrics: dict[str, float]) -> dict[str, tuple[float | None, float | None]]:
        """Return ``{metric: (now, then)}`` where a metric is not the same to the last digit."""
        # The second is what earlier releases called it.
        keys = [key for key in self.metrics if not key.startswith((FOLD_PREFIX, "fold/"))]
        keys += [key for key, value in metrics.items() if key not in self.metrics and value == value]
        pairs = {key: (metrics.get(key), self.metrics.get(key)) for key in keys}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def recorded_training(reference: str, registered_model: str, uri: str) -> RecordedTraining:
    """Return what a run recorded of its training.

    Parameters
    ----------
    reference : str
        A run, version or alias.
    registered_model : str
        The name that versions and aliases are of.

    Raises
    ------
    InputError
        There is no such run, or it is not a training of clvml.
    """
    with open_store(uri, must_exist=True) as store:
        run = past_run(store, reference, registered_model)
        if run.is_variant:
            changes = "".join(f" --set '{key}={value}'" for key, value in run.params.items())
            raise InputError(
                f"run '{run.run_id}' ({run.name}) is a variant of an experiment, not a training; train its settings "
                f"with 'clvml train --config FILE{changes}'"
            )
        raw = read_mapping(store, run, CONFIG_FILE)
        quality = read_mapping(store, run, QUALITY_FILE)
    if raw is None or quality is None or not run.as_of or not run.fingerprint:
        raise InputError(
            f"{run.label} has no record of a training by clvml, or its files are gone ({CONFIG_FILE}, {QUALITY_FILE} "
            "and the tags as_of and data_fingerprint); give a run that 'clvml compare' lists"
        )
    config = parse_any_config(raw, f"the configuration recorded in run '{run.run_id}'")
    return RecordedTraining(
        run.run_id,
        config,
        date.fromisoformat(run.as_of),
        run.fingerprint,
        quality,
        run.metrics,
        run.tags.get("versions", ""),
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
