"""``model.json``: parameters of a model and a digest of each of its files, checked before use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clvml.config import Config
from clvml.customers import available_features
from clvml.customers.attributes import MOST_LEVELS, Attribute
from clvml.customers.events import MOST_TYPES, EventKind
from clvml.customers.given import all_given
from clvml.customers.snapshots import OPTIONAL_COLUMNS
from clvml.errors import InputError
from clvml.models.intervals import SHARES
from clvml.models.prior import PRIOR_COLUMNS, SPEND_COLUMNS
from clvml.models.rhythm import SHAPES
from clvml.models.season import DAYS_OF_YEAR
from clvml.models.tree_file import first_problem, read_json

FORMAT_VERSION = 15
MODEL_FILE = "model.json"
# The files beside it that a model may have.
MODEL_FILES = (
    "churn.json",
    "tweedie.json",
    "gamma.json",
    "gamma_alone.json",
    "explanation.json",
    "evidence.json",
)
_LONGEST_NOTE = 5_000

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=1e-30, lt=1e30)]
Money = Annotated[float, Field(ge=0, lt=1e30)]
Factor = Annotated[float, Field(ge=0, lt=1e30)]
Spread = Annotated[float, Field(ge=0, le=100)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[str, Field(pattern=r"^[12]\d{3}-\d\d-\d\d$")]
Note = Annotated[str, Field(max_length=_LONGEST_NOTE)]


class Part(BaseModel):
    """A part of ``model.json``, of which no key may be unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Btyd(Part):
    class Parameters(Part):
        r: Positive
        alpha: Positive
        a: Positive
        b: Positive

    variant: Literal["mbg", "bg"]
    penalizer: Money
    params: Parameters
    # Statistics of the fit; no forecast uses them.
    log_likelihood: float | None
    converged: bool
    n_customers: Annotated[int, Field(ge=0)]


class _GammaGamma(Part):
    class Parameters(Part):
        p: Positive
        q: Annotated[float, Field(gt=1, lt=1e30)]
        v: Positive

    penalizer: Money
    params: Parameters
    mean_matched: bool
    converged: bool
    n_customers: Annotated[int, Field(ge=0)]


class _Season(Part):
    index: Annotated[
        list[Annotated[float, Field(gt=0, lt=1e3)]],
        Field(min_length=DAYS_OF_YEAR, max_length=DAYS_OF_YEAR),
    ]
    years: Annotated[int, Field(ge=0, le=1000)]


class _Prior(Part):
    btyd: _Btyd
    gamma_gamma: _GammaGamma | None
    mean_value: Money
    season: _Season
    first_day: Day
    rhythm: Annotated[list[Share], Field(max_length=len(SHAPES))] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole(self) -> _Prior:
        if len(self.rhythm) not in (0, len(SHAPES)):
            raise ValueError(f"its rhythm does not have {len(SHAPES)} shares")
        return self


class _Level(Part):
    churn_shift: Annotated[float, Field(ge=-100, le=100)]
    tweedie: Factor
    hurdle: Factor
    alone: Factor
    stack: Factor
    spread: Spread
    deciding: Money | None


class _Intervals(Part):
    level: Annotated[float, Field(gt=0, lt=1)]
    expected: Annotated[list[Money], Field(min_length=1, max_length=1000)]
    ratios: list[Annotated[list[Factor], Field(min_length=len(SHARES), max_length=len(SHARES))]]
    variances: list[Factor]
    level_spread: Spread

    @model_validator(mode="after")
    def _agree(self) -> _Intervals:
        if not len(self.expected) == len(self.ratios) == len(self.variances):
            raise ValueError("groups, ratios and variances differ in number")
        if self.expected != sorted(self.expected):
            raise ValueError("the expected spend of the groups does not rise")
        return self


class _Fallback(Part):
    p_churn: Share
    spend: Money


class _Thresholds(Part):
    big_spend_365d: float | None = None


class _Scales(Part):
    tweedie: Positive
    gamma: Positive
    gamma_alone: Positive | None = None


class _Attribute(Part):
    # What Python counts as a letter or a digit of a name; without \p{N}, the pattern would refuse "m²".
    name: Annotated[str, Field(max_length=100, pattern=r"^attribute_[\w\p{N}]*$")]
    column: Annotated[str, Field(min_length=1, max_length=_LONGEST_NOTE)]
    kind: Literal["category", "number", "date"]
    levels: Annotated[list[str], Field(max_length=MOST_LEVELS)]
    has_rare: bool

    @model_validator(mode="after")
    def _agree(self) -> _Attribute:
        if len(set(self.levels)) < len(self.levels) or (self.kind != "category" and self.levels):
            raise ValueError("the levels of an attribute are missing, or not all different")
        return self


class _EventKind(Part):
    name: Annotated[str, Field(max_length=100, pattern=r"^(event_[\w\p{N}]+|events|events_rare)$")]
    label: Note
    types: Annotated[list[str], Field(min_length=1, max_length=1_000_000)]
    recorded_from: Day


class Stored(Part):
    """What ``model.json`` holds of a model of any kind.

    Attributes
    ----------
    MODE : str
        Mode of the configuration.
    FORMAT : int
        Version of the file format.
    """

    MODE: ClassVar[str]
    FORMAT: ClassVar[int]

    format_version: int
    config: dict[str, Any]
    as_of: Day
    tiers: list[float]
    notes: Annotated[list[Note], Field(max_length=100)]
    files: dict[Literal[MODEL_FILES], Digest]  # type: ignore[valid-type]
    digest: Digest

    @model_validator(mode="after")
    def _tiers_fall(self) -> Stored:
        if len(self.tiers) not in (0, 3) or self.tiers != sorted(self.tiers, reverse=True):
            raise ValueError("the limits of its tiers are not three falling numbers")
        self.check_config()
        return self

    def check_config(self) -> None:
        """Raise ValueError where the configuration is invalid."""
        raise NotImplementedError


Kind = TypeVar("Kind", bound=Stored)


class State(Stored):
    """What ``model.json`` holds of a model of purchases."""

    MODE: ClassVar[str] = "purchase"
    FORMAT: ClassVar[int] = FORMAT_VERSION

    columns: list[Literal[tuple(OPTIONAL_COLUMNS)]]  # type: ignore[valid-type]
    prior: _Prior
    predictors: list[str]
    attributes: list[_Attribute]
    events: Annotated[list[_EventKind], Field(max_length=MOST_TYPES + 1)]
    blend: Annotated[list[Factor], Field(min_length=len(SPEND_COLUMNS), max_length=len(SPEND_COLUMNS))]
    level: _Level
    trained_days: Annotated[int, Field(gt=0, le=3650)]
    churn_share: Share
    spend_share: Share
    spend_weights: Annotated[list[Share], Field(min_length=3, max_length=3)]
    churn_trees: bool
    spend_scale: _Scales | None
    intervals: _Intervals
    fallback: _Fallback
    thresholds: _Thresholds

    @model_validator(mode="after")
    def _agree(self) -> State:
        attributes = [one.name for one in self.attributes]
        if len(set(attributes)) < len(attributes):
            raise ValueError("two of its attributes have the same name")
        types = [key for kind in self.events for key in kind.types]
        if len(set(types)) < len(types):
            raise ValueError("a type of events belongs to two kinds")
        counts = [one.name for one in all_given((), self.event_kinds)]
        if len(set(counts)) < len(counts):
            raise ValueError("two of its kinds of events have the same name")
        features = {feature.name for feature in available_features(self.columns)}
        known = features | {*PRIOR_COLUMNS, *attributes, *counts}
        if not set(self.predictors) <= known or len(set(self.predictors)) < len(self.predictors):
            raise ValueError("its predictors are not features of its columns")
        for kind in self.events:
            date.fromisoformat(kind.recorded_from)
        if date.fromisoformat(self.prior.first_day) > date.fromisoformat(self.as_of):
            raise ValueError("its first day is after as_of")
        scales = self.spend_scale.model_dump(exclude_none=True) if self.spend_scale else {}
        needed = ["churn.json"] * self.churn_trees + [f"{name}.json" for name in scales]
        if not set(needed) <= set(self.files):
            raise ValueError("it does not name all files of its trees")
        if needed and not self.predictors:
            raise ValueError("its trees have no predictors")
        return self

    @property
    def known_attributes(self) -> tuple[Attribute, ...]:
        """The attributes that it reads."""
        held = (one.model_dump() for one in self.attributes)
        return tuple(Attribute(**{**one, "levels": tuple(one["levels"])}) for one in held)

    @property
    def event_kinds(self) -> tuple[EventKind, ...]:
        """The events that it counts."""
        held = (one.model_dump() for one in self.events)
        return tuple(EventKind(**{**one, "types": tuple(one["types"])}) for one in held)

    def check_config(self) -> None:
        """Raise ValueError where the configuration is invalid."""
        self.parsed_config  # noqa: B018 - parsing it checks it

    @property
    def parsed_config(self) -> Config:
        """The configuration that the model was trained with."""
        return Config.model_validate(self.config)


class OlderFormat(InputError):
    """The model was written in a format that is read no more."""


def write_state(state: Mapping[str, Any], directory: Path, kind: type[Stored]) -> None:
    """Write ``model.json``, with a digest of itself and of every other file of the model."""
    files = {name: _digest_of_file(directory / name) for name in MODEL_FILES if (directory / name).is_file()}
    whole = {"format_version": kind.FORMAT, **state, "files": files}
    whole["digest"] = digest_of(whole)
    ordered = {name: whole[name] for name in kind.model_fields}
    (directory / MODEL_FILE).write_text(json.dumps(ordered, indent=1), encoding="utf-8")


def stored_mode(directory: Path) -> str:
    """Return the mode of the configuration in ``model.json``; "purchase" where there is none or it cannot be read."""
    try:
        return "subscription" if _mode_of(read_json(directory / MODEL_FILE)) == "subscription" else "purchase"
    except (OSError, ValueError, RecursionError):
        return "purchase"


def read_state(directory: Path, kind: type[Kind]) -> Kind:
    """Return the checked content of ``model.json``, after checking the digests of the model's files.

    Raises
    ------
    InputError
        There is no such file, it is of another kind or format, it or a file that it names was changed, or a value is
        impossible.
    """
    path = directory / MODEL_FILE
    try:
        raw = read_json(path)
        if not isinstance(raw, dict) or "format_version" not in raw:
            raise ValueError("format_version is missing")
        if _mode_of(raw) != kind.MODE:
            raise InputError(
                f"the model in '{directory}' is not of mode: {kind.MODE}, which is needed here; give another model"
            )
        found = raw["format_version"]
        if found != kind.FORMAT or isinstance(found, bool):
            is_newer = isinstance(found, int) and found > kind.FORMAT
            error = InputError if is_newer else OlderFormat
            raise error(
                f"the model in '{directory}' has format {str(found)[:20]}, this clvml reads {kind.FORMAT};"
                f" {'update clvml, which trained it' if is_newer else 'train it again'}"
            )
        if raw.get("digest") != digest_of(raw):
            raise InputError(_changed(path))
        state = kind.model_validate(raw)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"'{directory}' holds no clvml model ({first_problem(error)}); give the model of a clvml training run"
        ) from None
    for name, digest in state.files.items():
        try:
            is_same = _digest_of_file(directory / name) == digest
        except OSError as error:
            raise InputError(
                f"the model in '{directory}' lacks '{name}' ({error.strerror}); give the whole folder, or train it "
                "again"
            ) from None
        if not is_same:
            raise InputError(_changed(directory / name))
    return state


def _mode_of(raw: Any) -> Any:
    config = raw.get("config") if isinstance(raw, dict) else None
    return config.get("mode", "purchase") if isinstance(config, dict) else "purchase"


def digest_of(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the content of ``model.json`` without its digest, whatever the order of its keys.

    >>> digest_of({"b": 1, "a": 2, "digest": "x"}) == digest_of({"a": 2, "b": 1})
    True
    """
    content = {key: value for key, value in state.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest_of_file(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed(path: Path) -> str:
    return (
        f"'{path}' was changed since the training wrote it (its digest differs), so its scores would not be those "
        "of the model; give the model as it was written, or train it again"
    )
