"""What users type, checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clvml.cli.screen import learn_file
from clvml.errors import InputError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from clvml.config import Config, SubscriptionConfig


def load_config(path: Path | None, overrides: list[str] | None, source: str | None = None) -> Config:
    from clvml.config import read_config

    settings = read_config(_given(path), overrides)
    return settings if source is None else settings.with_source(source)


def load_any_config(
    path: Path | None, overrides: list[str] | None, source: str | None = None
) -> Config | SubscriptionConfig:
    """Return the configuration of a purchase log or of a table of subscriptions."""
    from clvml.config import read_any_config

    settings = read_any_config(_given(path), overrides)
    return settings if source is None else settings.with_source(source)


def _given(path: Path | None) -> Path:
    if path is None:
        raise InputError(
            "no configuration given; add --config FILE (`clvml check DATA` proposes one for a file of yours)"
        )
    learn_file(path)
    return path


def refuse_for_subscriptions(**options: object) -> None:
    """Refuse options that are for purchase logs, by their names; those that are not given are None."""
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise InputError(
            f"{', '.join(given)}: of use with purchase logs only; leave out with mode: subscription"
        )


def parse_date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    # Python reads weeks and dates without dashes, too, which are more often a slip than meant.
    if parsed is None or parsed.isoformat() != text:
        raise InputError(f"--as-of '{text}' is not a date; give it as YYYY-MM-DD")
    if not 1800 <= parsed.year < 3000:
        raise InputError(f"--as-of '{text}' is not between 1800 and 2999; give a date of the log's time")
    return parsed


def both_or_none(acquired: Path | None, spend: Path | None) -> tuple[Path, Path] | None:
    """Return the two files that say what winning customers cost, or None where there is neither."""
    if acquired and spend:
        return acquired, spend
    if acquired or spend:
        raise InputError("--acquired and --spend say together what winning customers cost; give both")
    return None


def workspace(memory: str | None) -> AbstractContextManager[DuckDBPyConnection]:
    """Return the database to work in, within --memory where it is given."""
    from clvml.storage.workspace import parse_memory
    from clvml.storage.workspace import workspace as opened

    return opened(parse_memory(memory) if memory is not None else None)


@contextmanager
def spark_session(engine: str, master: str | None, rejects: Path | None) -> Iterator[Any]:
    """Yield the session of the Spark engine, or None for the other."""
    if engine != "spark":
        if master is not None:
            raise InputError("--master is for Spark; add --engine spark, or leave it out")
        yield None
        return
    if rejects is not None:
        raise InputError(
            "the Spark engine counts the rows it rejects and does not keep them; leave out --rejects or --engine"
        )
    from clvml.engines.spark import running

    with running(master) as session:
        yield session


def store_uri() -> str:
    """Return where runs go: MLFLOW_TRACKING_URI, else a file in the current folder."""
    from clvml.tracking.location import tracking_uri

    return tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))


def store_in_use() -> str | None:
    """Return where runs go if somebody said so or has trained in the current folder; None otherwise."""
    from clvml.tracking import location

    return location.store_in_use(os.environ.get("MLFLOW_TRACKING_URI"))


def now() -> datetime:
    return datetime.now(UTC)
