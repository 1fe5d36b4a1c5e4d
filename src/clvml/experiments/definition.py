"""What an experiment asks and which variants of a configuration answer it: a YAML file, checked as a whole."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from clvml.config import AnyConfig, Section, assign, parse_any_config, parse_keys, read_any_config, read_keys
from clvml.errors import InputError, did_you_mean
from clvml.evaluation.leaderboard import METRICS

# What no prediction depends on, and what would be another question: a variant of them answers nothing.
_FIXED = ("mode.", "evaluation.", "tracking.", "value.", "data.source.")
# What neither changes a prediction nor is told by the data's fingerprint.
_WITHOUT_EFFECT = {
    "evaluation": True,
    "tracking": True,
    "value": True,
    "segments": True,
    "data": {"source"},
    "model": {"n_jobs"},
}
BASE_OF_SEARCH = "as configured"


class Range(Section):
    """The range of a number that is searched; both ends belong to it."""

    low: float
    high: float
    log: bool = False
    int: bool = False


class Search(Section):
    """A search by Optuna: how many trials, and for each key a `Range` or a list of choices."""

    trials: Annotated[int, Field(gt=0, le=10_000)]
    parameters: Annotated[dict[str, Any], Field(min_length=1)]


class ExperimentKeys(Section):
    """The keys of an experiment file."""

    question: Annotated[str, Field(min_length=1)]
    config: str
    variants: Annotated[dict[str, dict[str, Any] | None], Field(min_length=1)] | None = None
    grid: Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)] | None = None
    search: Search | None = None
    metric: str = "wape"
    folds: Annotated[int, Field(ge=2, le=24)] = 3
    data: str | None = None


@dataclass(frozen=True)
class Variant:
    """One configuration under test.

    Attributes
    ----------
    changes : dict of str to object
        ``{"model.max_depth": 4}``: what differs from the base configuration of the file.
    """

    name: str
    changes: dict[str, Any]
    config: AnyConfig


@dataclass(frozen=True)
class Definition:
    """A checked experiment.

    Attributes
    ----------
    path : Path
        The file; results are written beside it.
    config_path : str
        The base configuration.
    base : Config or SubscriptionConfig
        As it was read, with the experiment's own data and number of test dates.
    variants : tuple of Variant
        All of a list or grid; of a search, the configuration as it is. The first is what others are held against.
    metric : str
        Decides which variant is best.
    folds : int
        Test dates; the last is only reported.
    overrides : tuple of str
        ``a.b=c`` assignments of the command line.
    source : str or None
        Purchase log of the command line.
    """

    path: Path
    question: str
    config_path: str
    base: AnyConfig
    variants: tuple[Variant, ...]
    search: Search | None
    metric: str
    folds: int
    overrides: tuple[str, ...] = ()
    source: str | None = None

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return self.path.stem

    def vary(self, name: str, changes: Mapping[str, Any]) -> Variant:
        """Return the base configuration with changes, checked."""
        raw = self.base.model_dump(mode="json")
        return _variant(name, changes, raw, str(self.path))


def read_experiment(
    path: str | Path, overrides: Iterable[str] | None = None, source: str | None = None
) -> Definition:
    """Read an experiment file and check it, its base configuration, and every variant.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    overrides : iterable of str, optional
        ``a.b=c`` assignments over the base configuration.
    source : str, optional
        Purchase log, instead of the file's or the configuration's.

    Raises
    ------
    InputError
        The file or the configuration cannot be read, a key is unknown (the nearest is named), there are no
        variants, or one of them is not a valid configuration.
    """
    path, overrides = Path(path), tuple(overrides or ())
    what = f"experiment '{path}'"
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{what} must end in .yaml: its result is written beside it, with .md in that place")
    raw = read_keys(path, "experiment", "give", "docs/experiments.md")
    keys = parse_keys(ExperimentKeys, raw, what)
    kinds = [kind for kind in ("variants", "grid", "search") if getattr(keys, kind) is not None]
    if len(kinds) != 1:
        found = f"both {' and '.join(kinds)}" if kinds else "no variants"
        raise InputError(f"{what} has {found}; give one of variants, grid and search (docs/experiments.md)")
    if keys.metric not in METRICS:
        raise InputError(
            f"{what}: unknown metric '{keys.metric}'{did_you_mean(keys.metric, METRICS)}; known: {', '.join(METRICS)}"
        )
    if not Path(keys.config).exists():
        raise InputError(
            f"{what}: the configuration '{keys.config}' does not exist; correct 'config' (paths start at the current"
            " folder)"
        )
    base = read_any_config(keys.config, list(overrides))
    other = source or keys.data
    if other:
        base = base.with_source(other)
    settings = base.model_dump(mode="json")
    variants = tuple(
        _variant(name, changes, settings, str(path)) for name, changes in _listed(keys, what).items()
    )
    _check_distinct(variants, what)
    search = None if keys.search is None else _search(keys.search, settings, str(path))
    return Definition(
        path=path,
        question=" ".join(keys.question.split()),
        config_path=keys.config,
        base=base,
        variants=variants,
        search=search,
        metric=keys.metric,
        folds=keys.folds,
        overrides=overrides,
        source=source,
    )


def config_key(config: AnyConfig) -> str:
    """Return a short hash of what in a configuration can change a prediction on given data."""
    raw = config.model_dump(mode="json", exclude=_WITHOUT_EFFECT)  # type: ignore[arg-type]
    return short_hash(raw)


def short_hash(value: Any) -> str:
    """Return 16 digits that tell JSON-ready values apart."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def shown(value: Any) -> str:
    """Return a value as YAML writes it on one line.

    >>> shown(["basket", "trend"]), shown(True), shown(0.05)
    ('[basket, trend]', 'true', '0.05')
    """
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _listed(keys: ExperimentKeys, what: str) -> dict[str, dict[str, Any]]:
    """Return ``{name: changes}``, the one that others are held against first."""
    if keys.variants is not None:
        if len(keys.variants) < 2:
            raise InputError(
                f"{what} has one variant: nothing to compare; add another (an empty one is the base)"
            )
        return {name: changes or {} for name, changes in keys.variants.items()}
    if keys.grid is not None:
        names = list(keys.grid)
        points = [dict(zip(names, point, strict=True)) for point in itertools.product(*keys.grid.values())]
        if len(points) < 2:
            raise InputError(f"{what} has a grid of one point: nothing to compare; add a value")
        return {name_of(changes): changes for changes in points}
    return {BASE_OF_SEARCH: {}}


def name_of(changes: Mapping[str, Any]) -> str:
    """Return a name that says the changes.

    >>> name_of({"model.max_depth": 4, "model.leave_out": ["basket"]})
    'max_depth 4, leave_out [basket]'
    """
    return ", ".join(f"{key.rpartition('.')[2]} {shown(value)}" for key, value in changes.items())


def _variant(name: str, changes: Mapping[str, Any], settings: dict[str, Any], path: str) -> Variant:
    what = f"variant '{name}' of experiment '{path}'"
    raw = copy.deepcopy(settings)
    for key, value in changes.items():
        if f"{key}.".startswith(_FIXED):
            raise InputError(f"{what}: '{key}' cannot be compared in an experiment; leave it out")
        _put(raw, key, value, what)
    return Variant(name, dict(changes), parse_any_config(raw, what))


def _put(raw: dict[str, Any], key: str, value: Any, what: str) -> None:
    meant = [f"{name}.{key}" for name, section in raw.items() if isinstance(section, dict) and key in section]
    if key not in raw and meant:
        raise InputError(f"{what}: unknown key '{key}' (did you mean '{meant[0]}'?)")
    try:
        assign(raw, f"{key}={shown(value)}")
    except InputError:
        raise InputError(f"{what}: '{key}' is not a key of the form a.b, such as model.max_depth") from None


def _check_distinct(variants: tuple[Variant, ...], what: str) -> None:
    """Two variants that are one configuration are a slip: a misspelt copy, or a default written out."""
    seen: dict[str, str] = {}
    for variant in variants:
        same = seen.setdefault(config_key(variant.config), variant.name)
        if same != variant.name:
            raise InputError(
                f"{what}: the variants '{same}' and '{variant.name}' are the same configuration; change or drop one"
            )


def _search(keys: Search, settings: dict[str, Any], path: str) -> Search:
    parameters: dict[str, Range | list[Any]] = {}

    def check(key: str, value: Any) -> None:
        _variant(name_of({key: value}), {key: value}, settings, path)

    for key, given in keys.parameters.items():
        what = f"search of '{key}' in experiment '{path}'"
        if isinstance(given, list) and len(given) > 1:
            parameters[key] = given
            for choice in given:
                check(key, choice)
        elif isinstance(given, dict):
            span = parameters[key] = parse_keys(Range, given, what)
            if span.low >= span.high or (span.log and span.low <= 0):
                least = "low must be below high, and above 0 with log"
                raise InputError(f"{what}: {least}; currently set to low {span.low:g}, high {span.high:g}")
            for end in (span.low, span.high):
                check(key, int(end) if span.int or end.is_integer() else end)
            if not span.int:
                try:
                    check(key, span.low + (span.high - span.low) / 3.7)
                except InputError:
                    raise InputError(f"{what}: the key takes whole numbers only; add int: true") from None
        else:
            raise InputError(
                f"{what} must be a list of two or more choices, or {{low: 1, high: 9, log: false, int: false}};"
                f" currently set to {given!r}"
            )
    return keys.model_copy(update={"parameters": parameters})
