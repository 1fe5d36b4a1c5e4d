"""From YAML and ``a.b=c`` to a checked configuration; every fault in one message."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from clvml.config.settings import Config
from clvml.config.subscription_settings import AnyConfig, SubscriptionConfig
from clvml.errors import InputError, did_you_mean
from clvml.storage.yaml_text import RepeatedKey, parse_yaml, read_yaml

_SHOWN_PROBLEMS = 10
_SHOWN_LETTERS = 100
SUBSCRIPTION_COMMANDS = (
    "`clvml check`, `train`, `backtest`, `score`, `worth`, `experiment`, `compare`, `promote`, `monitor`,"
    " `readback` and `dashboard`"
)

Keys = TypeVar("Keys", bound=BaseModel)
Settings = TypeVar("Settings", bound=AnyConfig)


def read_config(path: str | Path, overrides: list[str] | None = None) -> Config:
    """Read and check a YAML configuration of a purchase log; see `read_any_config`."""
    return _of_purchases(read_any_config(path, overrides), f"configuration '{path}'")


def read_any_config(path: str | Path, overrides: list[str] | None = None) -> AnyConfig:
    """Read and check a YAML configuration, of a purchase log or of `mode: subscription`.

    ``overrides`` are ``a.b=c`` assignments over the file; values are read as YAML.

    Raises
    ------
    InputError
        The file is missing or not YAML, a key is unknown (the nearest known key is named), a value is
        of the wrong type or range, or a required key is absent.
    """
    raw = read_keys(path, "configuration", "give --config", "docs/configuration.md")
    for assignment in overrides or []:
        assign(raw, assignment)
    return parse_any_config(raw, f"configuration '{path}'{' with --set' if overrides else ''}")


def read_keys(path: str | Path, what: str, give: str, page: str) -> dict[str, Any]:
    """Read a YAML file of keys; errors call it ``what`` and say how to ``give`` another one.

    Raises
    ------
    InputError
        The file is missing, cannot be read, is not YAML, has a key twice, or holds no keys.
    """
    path = Path(path)
    try:
        raw = read_yaml(path)
    except FileNotFoundError:
        raise InputError(f"{what} '{path}' does not exist; {give} an existing YAML file") from None
    except IsADirectoryError:
        raise InputError(f"{what} '{path}' is a directory; {give} a YAML file") from None
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} '{path}' is not UTF-8 text; {give} a YAML file") from None
    except RepeatedKey as error:
        raise InputError(f"{what} '{path}': {error}; rename or drop one") from None
    except yaml.YAMLError as error:
        raise InputError(f"{what} '{path}' is not valid YAML{_place(error)}; correct it") from None
    if not isinstance(raw, dict):
        raise InputError(f"{what} '{path}' holds no keys; see {page} for an example")
    return raw


def parse_config(raw: dict[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration given as nested dictionaries; ``origin`` names it in errors.

    >>> parse_config({"data": {"source": "x.csv", "columns": {"customer_id": "a", "order_date": "b",
    ...     "amount": "c"}}, "windows": {"horizon_days": 90}}).windows.step_days
    30
    """
    return _of_purchases(parse_any_config(raw, origin), origin)


def parse_any_config(raw: dict[str, Any], origin: str) -> AnyConfig:
    """Check a configuration of any mode given as nested dictionaries; ``origin`` names it in errors."""
    mode = raw.get("mode", "purchase")
    if mode == "subscription":
        return parse_keys(SubscriptionConfig, raw, origin)
    if mode != "purchase":
        raise InputError(
            f"{origin}: 'mode' must be 'purchase' or 'subscription'; currently set to {_shown(mode)}"
        )
    return parse_keys(Config, {key: value for key, value in raw.items() if key != "mode"}, origin)


def _of_purchases(config: AnyConfig, origin: str) -> Config:
    if isinstance(config, SubscriptionConfig):
        raise InputError(
            f"{origin} says mode: subscription, which {SUBSCRIPTION_COMMANDS} know, and nothing else yet; give the"
            " configuration of a purchase log here, or score with `clvml score`, which reads a database table as well"
        )
    return config


def parse_keys(section: type[Keys], raw: dict[str, Any], origin: str) -> Keys:
    """Check keys given as nested dictionaries against a section; ``origin`` names them in errors."""
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        told = error.errors()
        # What stands beside `sources` was given to each of them, and is told once.
        shared = {
            (found["loc"][1:], _shown(found["input"])) for found in told if found["loc"][:1] == ("data",)
        }
        told = [
            found
            for found in told
            if found["loc"][:2] != ("data", "sources")
            or (found["loc"][3:], _shown(found["input"])) not in shared
        ]
        count = len(told)
        problems = "\n".join(f"  - {_describe(found, section)}" for found in told[:_SHOWN_PROBLEMS])
        if count > _SHOWN_PROBLEMS:
            problems += f"\n  - and {count - _SHOWN_PROBLEMS} more"
        raise InputError(f"{origin} has {count} problem{'s' * (count > 1)}:\n{problems}") from None


def assign(raw: dict[str, Any], assignment: str) -> None:
    """Set one key of a configuration given as nested dictionaries; the value is read as YAML.

    >>> raw = {"windows": {"step_days": 30}}
    >>> assign(raw, "windows.horizon_days=90")
    >>> raw
    {'windows': {'step_days': 30, 'horizon_days': 90}}

    Raises
    ------
    InputError
        The assignment is not of the form ``a.b=c``, or goes through a key that holds a value.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(
            f"--set '{assignment}' is not of the form a.b=c, for example windows.horizon_days=90"
        )
    *sections, last = key.split(".")
    for section in sections:
        # A section that is there without any key is None in YAML.
        raw[section] = {} if raw.get(section) is None else raw[section]
        raw = raw[section]
        if not isinstance(raw, dict):
            raise InputError(f"--set '{assignment}': '{section}' holds a value, not keys; set it as a whole")
    try:
        raw[last] = parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(f"--set '{assignment}': the value is not valid YAML; quote it") from None


def overridden(config: Settings, overrides: list[str] | None, origin: str) -> Settings:
    """Return a configuration with ``a.b=c`` assignments over it; ``origin`` names the two in errors."""
    raw = config.model_dump(mode="json")
    for assignment in overrides or []:
        assign(raw, assignment)
    return parse_keys(type(config), raw, origin)


def _describe(problem: Any, section: type[BaseModel]) -> str:
    path = ".".join(_cut(str(part)) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1], section)
        return (
            f"unknown key '{path}'{did_you_mean(str(problem['loc'][-1]), known)}; known: {', '.join(known)}"
        )
    if problem["type"] == "missing":
        return f"'{path}' is required"
    if problem["type"] == "model_type":
        keys = ", ".join(_keys_at(problem["loc"], section))
        return f"'{path}' must hold keys ({keys}); currently set to {_shown(problem['input'])}"
    said = problem["msg"].removeprefix("Value error, ")
    said = said.replace("less than or equal to", "at most").replace("greater than or equal to", "at least")
    # Where keys contradict each other, printing all of them shows nothing; what is wrong with a rule quotes it.
    told = isinstance(problem["input"], dict) or "; currently set to " in said
    got = "" if told else f"; currently set to {_shown(problem['input'])}"
    if problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float | date):
        # YAML reads off as false, 2024 as a number and 2024-01-31 as a day.
        got += "; put it in quotes"
    colon = "" if said.startswith("Input should ") else ":"
    # A fault of the whole has no path.
    where = f"'{path}'{colon} " if path else ""
    return f"{where}{said.replace('Input should ', 'must ', 1)}{got}"


def _shown(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    try:
        return _cut(repr(value))
    except ValueError:
        return "a number of thousands of digits"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


def _place(error: yaml.YAMLError) -> str:
    """Return where and why YAML could not be read, on one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return f": {' '.join(str(error).split())}"
    return f": {problem} at line {mark.line + 1}, column {mark.column + 1}"


def _keys_at(location: tuple[Any, ...], section: type[BaseModel]) -> list[str]:
    for part in location:
        # A number or a name that is free leads into a list or mapping of sections, which its field has named.
        if part in section.model_fields:
            section = section_in(section.model_fields[part].annotation) or section
    return list(section.model_fields)


def section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field is, or is a list or mapping of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for kind in get_args(annotation) if (found := section_in(kind))), None)
