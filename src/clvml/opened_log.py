"""A purchase log as a notebook opens it: cleaned, counted, readable."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from clvml.threads import passive_threads

with passive_threads():
    import pandas as pd

    from clvml import workflows
    from clvml.config import DataConfig
    from clvml.customers.snapshots import CustomerDays
    from clvml.errors import InputError, first_of
    from clvml.log import PurchaseLog, QualityReport

Source = str | os.PathLike[str] | pd.DataFrame
_BUILDING = threading.Lock()


@dataclass(frozen=True, repr=False)
class Log:
    """A purchase log: cleaned, counted, ready to fit a model on or to be scored.

    Attributes
    ----------
    prepared : Prepared
        The lines in DuckDB, and the date up to which they are used.
    data : DataConfig
        Which columns were read, and how they were cleaned.
    """

    prepared: workflows.Prepared[PurchaseLog]
    data: DataConfig

    @property
    def quality(self) -> QualityReport:
        """What was read, left out and changed."""
        return self.prepared.log.quality

    @property
    def as_of(self) -> date:
        """The first day not used: the day after the last order unless another was asked for."""
        return self.prepared.as_of

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content, whatever the order of its rows and the kind of the source."""
        return self.prepared.log.fingerprint

    @property
    def days(self) -> CustomerDays:
        """The purchase days, from which features of any date are made."""
        # Since Python 3.12, several threads may work out a cached property at once.
        with _BUILDING:
            return self._days

    @cached_property
    def _days(self) -> CustomerDays:
        return workflows.days_of(self.prepared.log)

    def frame(self) -> pd.DataFrame:
        """Return the lines that are used: one row per line, by date and customer."""
        return self.prepared.log.frame(
            f"select * exclude (order_day) from {self.prepared.log.table} order by order_ts, customer_id, amount"
        )

    def _columns(self) -> str:
        return ", ".join(f"{ours}: {theirs}" for ours, theirs in self.data.columns.mapped().items())

    def __repr__(self) -> str:
        return f"Purchase log as of {self.as_of}\ncolumns     {self._columns()}\n{self.quality.to_text()}"

    def _repr_html_(self) -> str:
        head = f"Purchase log as of {self.as_of} ({self._columns()})"
        return f"<p>{escape(head)}</p>{self.quality._repr_html_()}"


def read_log(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    as_of: date | str | None = None,
    rejects: str | os.PathLike[str] | None = None,
    **cleaning: Any,
) -> Log:
    """Read and clean a purchase log: one row per order line or order.

    Parameters
    ----------
    source : DataFrame, str or path
        A frame, file, folder, glob or database address.
    columns : mapping, optional
        ``{our name: input column}``: ``customer_id``, ``order_date``, ``amount`` and, where there are such columns,
        ``order_id``, ``product_id``, ``quantity``, ``currency``. What is not given is proposed from the names.
    as_of : date or str, optional
        Nothing dated at or after this day is used; the day after the last order where it is not given.
    rejects : path, optional
        File (.csv or .parquet) for the rejected rows.
    **cleaning
        Other keys of section ``data`` of a configuration, such as ``timezone``, ``currency``, ``duplicates`` and
        ``refunds``.

    Raises
    ------
    InputError
        The source cannot be read, no column looks like a customer, a date or an amount, or no line can be used.

    Examples
    --------
    >>> orders = pd.DataFrame({"Client": ["a", "b"], "Date": ["2024-01-05", "2024-03-01"], "Total": [10.0, 5.0]})
    >>> read_log(orders, columns={"customer_id": "Client"}).quality.customers
    2
    """
    place = checked_source(source)
    if not isinstance(columns, Mapping | None):
        raise InputError(f"columns={columns!r} is not a mapping; give it as {{'customer_id': COLUMN, ...}}")
    data = workflows.assume_data(place, {"columns": dict(columns or {}), **cleaning})
    return open_log(place, data, as_of, None if rejects is None else Path(rejects))


def open_log(
    source: str | pd.DataFrame, data: DataConfig, as_of: date | str | None = None, rejects: Path | None = None
) -> Log:
    """Read a source as the keys of section ``data`` say."""
    prepared = workflows.prepare(data, datetime.now(UTC), source, day_of(as_of), rejects)
    return Log(prepared, data)


def checked_source(source: Source) -> str | pd.DataFrame:
    """Return a source as the reader takes it; TypeError where it cannot be one."""
    if isinstance(source, str | pd.DataFrame):
        return source
    if isinstance(source, os.PathLike):
        return os.fspath(source)
    raise TypeError(
        f"a purchase log is a pandas frame, a path or an address, not {type(source).__name__}; other frames have"
        " to_pandas()"
    )


def day_of(value: date | str | None) -> date | None:
    """Return a day that was given as such, as text, or as a timestamp at its beginning."""
    day = value
    if isinstance(value, str):
        with suppress(ValueError):
            day = date.fromisoformat(value)
    if isinstance(day, datetime) and not pd.isna(day) and day.time() == time():
        day = day.date()
    if isinstance(day, str | datetime) or not isinstance(day, date | None):
        shown = first_of([" ".join(repr(value).split())])
        raise InputError(f"as_of={shown} is not a day; give a date, or text such as '2024-01-31'")
    return day


def is_count(value: object) -> bool:
    """Return whether a value is a whole number that counts something."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
