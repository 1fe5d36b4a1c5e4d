"""The scored file as a database: made once, and again beside the old one when the file changes."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from clvml.dashboard.contact_plan import ContactPlans
from clvml.decide.eligibility import read_customers
from clvml.decide.lists import refuse_strangers, target_lists
from clvml.errors import InputError
from clvml.report.attribute_facts import MOST_VALUES, own_columns
from clvml.report.facts import (
    AT_RISK,
    NEEDED,
    REASONS,
    RISKS,
    SUBSCRIBER_AT_RISK,
    Facts,
    facts_of,
    load_scored,
    ranked,
    spend_row,
)
from clvml.scores.columns import PLAN, SUBSCRIBERS, scored_columns
from clvml.scores.overview import overview_path, read_overview
from clvml.storage.sql import identifier, literal
from clvml.storage.workspace import offline

# Of two states of a file that are alike in these, neither is newer.
_State = tuple[tuple[int, int, int] | None, ...]
_KINDS = {column.name: column.sql_type for column in scored_columns(value_reasons=True, acquired=False)}
_OF_SUBSCRIBERS = {
    column.name: column.sql_type for column in SUBSCRIBERS if column.name in ("monthly_price", "tenure_days")
}
_FURTHER = [name for name in _KINDS if name not in NEEDED]
# How often a file is read again that changes while it is read.
_TRIES = 3
# Texts of which there are few: a number in each row, and the text once.
_ENUMS = ("churn_risk", "segment", "value_tier")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A scored file as it was at one moment.

    Attributes
    ----------
    segments, tiers : list of str
        Those there are.
    moves : list of dict
        ``move, customers, clv_before, clv_now, change``; empty without an earlier scoring.
    notes : list of str
        What is to be known about ``moves``.
    columns : list of str
        Of the scored file.
    groups : dict of list of str
        Of the columns that are not clvml's, such as attributes, those with few values: these, the commonest first.
    own : list of str
        All columns that are not clvml's.
    connection : DuckDBPyConnection
        Read-only; every reader takes a cursor of it.
    contacts : DataFrame or None
        ``customer_id, email`` of those whose address is known; None where no file of them is given.
    """

    facts: Facts
    segments: list[str]
    tiers: list[str]
    moves: list[dict[str, Any]]
    notes: list[str]
    columns: list[str]
    groups: dict[str, list[str]]
    own: list[str]
    connection: duckdb.DuckDBPyConnection
    plans: ContactPlans
    contacts: pd.DataFrame | None = None
    _totals: dict[str, dict[str, Any]] = field(default_factory=dict)

    def totals(self, sums: str) -> dict[str, Any]:
        """Return sums over all customers, as SQL; they are worked out once."""
        if sums not in self._totals:
            (self._totals[sums],) = self.rows(f"select {sums} from customers", [])
        return self._totals[sums]

    def rows(self, query: str, values: list[Any]) -> list[dict[str, Any]]:
        """Return the rows of a query, by name."""
        with self.connection.cursor() as cursor:
            result = cursor.execute(query, values)
            names = [column[0] for column in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


class Snapshots:
    """The newest snapshot of a scored file.

    Parameters
    ----------
    scores : Path
        What `clvml score` wrote; its overview is read from beside it.
    folder : Path
        Where the databases go; each is removed when nobody reads it any more.
    before : Path, optional
        An earlier scored file, to say who moved.
    contacts : Path, optional
        A table with ``customer_id`` and ``email``, for e-mail tools.
    """

    def __init__(
        self, scores: Path, folder: Path, before: Path | None = None, contacts: Path | None = None
    ) -> None:
        self.scores, self.before, self.contacts = scores, before, contacts
        self._folder = folder
        self._made = 0
        self._importing = threading.Lock()
        self._state: _State | None = None
        self._newest: Snapshot | InputError | None = None

    def newest(self) -> Snapshot:
        """Return the scored file as it is now; as it was, while somebody else is reading it anew.

        Raises
        ------
        InputError
            The file is gone, is not a scored file, or its overview is of another scoring.
        """
        state, newest = self._files(), self._newest
        if newest is None or state != self._state:
            # Who comes first waits for the new data, and everybody else gets the old meanwhile.
            if self._importing.acquire(blocking=not isinstance(newest, Snapshot)):
                try:
                    if self._files() != self._state:
                        self._import()
                finally:
                    self._importing.release()
            newest = self._newest
        if newest is None:
            raise InputError(f"scored file '{self.scores}' could not be read; try again")
        if isinstance(newest, InputError):
            raise InputError(str(newest))
        return newest

    def _files(self) -> _State:
        """Return what tells a scored file and what belongs to it from others."""
        paths = (self.scores, overview_path(self.scores), self.before, self.contacts)
        return tuple(_stat(path) for path in paths if path is not None)

    def _import(self) -> None:
        for _ in range(_TRIES):
            state = self._files()
            newest: Snapshot | InputError
            try:
                newest = self._read()
            except InputError as error:
                newest = error
            if self._files() == state:
                break
        else:
            newest = InputError(
                f"scored file '{self.scores}' changes all the time; try again when it is written"
            )
        self._newest, self._state = newest, state

    def _read(self) -> Snapshot:
        overview = read_overview(self.scores)
        contacts = None if self.contacts is None else _addresses(self.contacts)
        self._made += 1
        path = self._folder / f"scores-{self._made}.duckdb"
        try:
            with duckdb.connect(config=offline(self._folder)) as connection:
                subscribers = load_scored(connection, self.scores, [*_FURTHER, *REASONS])
                if contacts is not None:
                    refuse_strangers(
                        contacts, connection.execute("select customer_id from scored").df()["customer_id"]
                    )
                facts = facts_of(connection, self.scores, overview or {}, subscribers)
                moves, notes = self._moves(connection, subscribers)
                connection.execute(f"attach {literal(str(path))} as stored")
                segments, tiers, columns, own = _store(connection, self.scores, subscribers)
                groups = {name: values for name in own if len(values := _values(connection, name)) > 1}
                connection.execute("detach stored")
            connection = duckdb.connect(str(path), read_only=True, config=offline(self._folder))
        except BaseException:
            _remove(path)
            raise
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        plans = ContactPlans(
            connection, facts.as_of, facts.horizon_days, facts.currency, anybody=facts.subscribers
        )
        plans.get_ready()
        snapshot = Snapshot(
            facts, segments, tiers, moves, notes, columns, groups, own, connection, plans, contacts
        )
        weakref.finalize(snapshot, _close, connection, path, plans)
        return snapshot

    def _moves(
        self, connection: duckdb.DuckDBPyConnection, subscribers: bool
    ) -> tuple[list[dict[str, Any]], list[str]]:
        if self.before is None:
            return [], []
        from clvml.decide.movement import movement
        from clvml.scores.scorer import read_scores

        notes: list[str] = []
        own = ", segment as plan, monthly_price, tenure_days" if subscribers else ""
        now = connection.execute(
            f"select customer_id, value_tier, clv, as_of, model_version{own} from scored"
        ).fetch_df()
        moved = movement(now, read_scores(self.before), notes)
        return [dict(zip(map(str, moved), row, strict=True)) for row in moved.itertuples(index=False)], notes


def _addresses(contacts: Path) -> pd.DataFrame:
    read = read_customers(str(contacts), ["customer_id", "email"], "contacts")[["customer_id", "email"]]
    # What is wrong with them is said now, and not when somebody wants a list.
    target_lists(pd.DataFrame(columns=["customer_id", "campaign", "action", "group", "channel"]), read)
    return read


def _values(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Return the values of a column, the commonest first; none where there are more than a list should have."""
    name = identifier(column)
    found = connection.execute(
        f"select {name} from scored where {name} <> '' group by all order by count(*) desc, {name}"
        f" limit {MOST_VALUES + 1}"
    ).fetchall()
    return [value for (value,) in found] if len(found) <= MOST_VALUES else []


def _store(
    connection: duckdb.DuckDBPyConnection, scores: Path, subscribers: bool
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Write the table ``scored`` typed into the database ``stored``; return segments, tiers, columns, own ones."""
    read = [row[0] for row in connection.execute("describe scored").fetchall()]
    known = _KINDS | (_OF_SUBSCRIBERS if subscribers else {})
    columns = [name for name in known if name in read]
    own = own_columns(connection, subscribers)
    kinds: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for name in _ENUMS:
        if name not in columns:
            found[name] = []
            continue
        values = connection.execute(
            f"select {name} from scored where {name} is not null group by all order by count(*) desc, {name}"
        ).fetchall()
        found[name] = [value for (value,) in values]
        if name == "churn_risk":
            found[name] = list(RISKS)
        if found[name]:
            connection.execute(f"create type stored.{name} as enum ({', '.join(map(literal, found[name]))})")
            kinds[name] = f"stored.{name}"
    typed = [f"{name}::{kinds.get(name, known[name])} as {name}" for name in columns]
    typed += map(identifier, own)
    missing = [f"null::{_KINDS[name]} as {name}" for name in _KINDS if name not in columns]
    # Narrow rows are ranked: wide ones would be sorted with all their texts.
    at_risk = SUBSCRIBER_AT_RISK if subscribers else AT_RISK
    found_by = f"rowid as scored_row, customer_id, {at_risk} as at_risk"
    try:
        connection.execute(
            f"create table stored.customers as select {', '.join([*typed, *missing])},"
            f" ({at_risk})::DOUBLE as at_risk, spend_row, risk_place, lower(scored.customer_id) as searched from scored"
            f" join (select scored_row, ({spend_row()})::UTINYINT as spend_row, row_number() over"
            f" (order by at_risk desc nulls last, customer_id)::UINTEGER as risk_place from {ranked(found_by)})"
            " on scored.rowid = scored_row"
        )
    except duckdb.ConversionException as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"scored file '{scores}' was changed since it was written ({reason})") from None
    if subscribers:
        # The table has further columns beside those of the file.
        connection.execute(f"alter table stored.customers add column {PLAN.name} VARCHAR")
        connection.execute(f"update stored.customers set {PLAN.name} = segment::VARCHAR")
        columns = [column.name for column in SUBSCRIBERS if column.name in {*columns, PLAN.name}]
    return found["segment"], found["value_tier"], [*columns, *own], own


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ino


def _close(connection: duckdb.DuckDBPyConnection, path: Path, plans: ContactPlans) -> None:
    plans.forget()
    with suppress(duckdb.Error):
        connection.close()
    _remove(path)


def _remove(path: Path) -> None:
    for file in (path, path.with_name(f"{path.name}.wal")):
        with suppress(OSError):
            file.unlink(missing_ok=True)
