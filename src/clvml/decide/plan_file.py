"""The plan as a file: one row per scored customer, and beside it a record of what it was made with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clvml.config import Section, parse_keys
from clvml.decide.playbook import Playbook
from clvml.errors import InputError
from clvml.scores.columns import SCORED, Column, money
from clvml.storage.files import fill_draft, replacing, unescaped
from clvml.storage.own_tables import read_own_table

_SCORED = ("p_churn", "expected_spend", "clv", "historic_spend", "value_tier", "segment")
# All that a plan says of a customer. Of customers without an action, what belongs to one is missing.
PLAN_COLUMNS = (
    Column("customer_id", "text", "as in the scored file", own=False),
    Column("as_of", "text", "date of the scores; the campaign's window begins here"),
    Column("horizon_days", "whole", "days of the window over which the campaign is read back", "days"),
    Column("plan_id", "text", "which plan: the same for all rows"),
    Column("campaign", "text", "name of the campaign, by which the control group is drawn"),
    Column(
        "action", "text", "what to do, as the playbook calls it; for the control group: what was held back"
    ),
    Column("group", "text", "treated, or control: planned, and left untreated by chance"),
    Column("channel", "text", "how the action reaches the customer", own=False),
    Column("why", "text", "why nothing is planned; empty where something is"),
    money("expected_gain", "profit that the action is expected to bring; 0 without one"),
    money("expected_gain_low", "low end of the 80% interval of the expected gain"),
    money("expected_gain_high", "high end of the 80% interval of the expected gain"),
    money("expected_cost", "contact and expected incentive; 0 without an action"),
    Column(
        "save_rate", "number", "share of those who would leave that the action is believed to keep", "share"
    ),
    Column("save_rate_sd", "number", "standard deviation of that belief", "share"),
    Column("save_rate_source", "text", "assumed, or learnt: and from which campaign", own=False),
    Column("break_even_save_rate", "number", "save rate at which the action pays for its costs", "share"),
    money("value_if_kept", "what the customer is worth if kept"),
    *(column for column in SCORED if column.name in _SCORED),
    Column(
        "unit", "text", "who stays together in the control group: customer, household, account", own=False
    ),
    *(column for column in SCORED if column.name in ("model_version", "run_id")),
)
NAMES = tuple(column.name for column in PLAN_COLUMNS)
TREATED, CONTROL = "treated", "control"
_HASHED = 65_536


class PlanRecord(Section):
    """What a plan was made with, kept as JSON beside the file.

    Attributes
    ----------
    digest : str
        Of the rows; another one means that they were changed.
    budget : float or None
        None: as much as pays.
    summary : dict
        What was printed: customers, profit, intervals, curve (`clvml.decide.plan.Plan.summary`).
    """

    plan_id: str
    digest: str
    campaign: str
    as_of: date
    horizon_days: int
    budget: float | None
    currency: str | None
    model_version: str
    run_id: str
    playbook: Playbook
    summary: dict[str, Any]

    @property
    def until(self) -> date:
        """The first day after the window over which the campaign is read back."""
        return self.as_of + timedelta(days=self.horizon_days)


def record_path(path: Path) -> Path:
    """Return where the record of a plan is.

    >>> record_path(Path("plan.csv")).name
    'plan.csv.json'
    """
    return path.with_name(f"{path.name}.json")


def rows_digest(table: pd.DataFrame) -> str:
    """Return a digest of the rows, whatever their order and file format."""
    order = pd.Series(table["customer_id"].array).sort_values(kind="stable").index.to_numpy()
    parts = [order[start : start + _HASHED] for start in range(0, len(order), _HASHED)]
    found = hashlib.sha256()
    for column in PLAN_COLUMNS:
        if column.name == "plan_id":
            # It is made from this.
            continue
        found.update(column.name.encode())
        # A part at a time: all texts at once would need more memory than the plan itself.
        values = table[column.name].array
        for place, part in enumerate(parts):
            if column.kind == "text":
                texts = pd.Series(values.take(part), dtype="string").fillna("\x00").tolist()
                joined = ("\x1f" if place else "") + "\x1f".join(texts)
                found.update(joined.encode("utf-8", "surrogatepass"))
            else:
                found.update((np.asarray(values.take(part), dtype=float) + 0.0).tobytes())
    return found.hexdigest()


def write_plan(
    table: pd.DataFrame, record: PlanRecord, path: Path, lists: Mapping[Path, pd.DataFrame] | None = None
) -> None:
    """Write a plan (.csv or .parquet), its record and its target lists: all or none.

    Parameters
    ----------
    table : DataFrame
        `PLAN_COLUMNS`.
    lists : mapping of Path to DataFrame, optional
        Target lists by file; their folder is there.

    Raises
    ------
    InputError
        A folder cannot be written.
    """
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    # Nothing gets its name before everything is written; the lists get theirs first, so that a plan has its lists.
    with ExitStack() as drafts:
        drafts.enter_context(replacing(record_path(path))).write_text(f"{text}\n", encoding="utf-8")
        for file, rows in [(path, table[list(NAMES)]), *(lists or {}).items()]:
            fill_draft(drafts.enter_context(replacing(file)), rows, file)


def read_plan(path: str | Path) -> tuple[pd.DataFrame, PlanRecord]:
    """Read a plan that `clvml plan` wrote, with its record.

    Returns
    -------
    DataFrame, PlanRecord
        One row per scored customer with `PLAN_COLUMNS`; what is missing is missing.

    Raises
    ------
    InputError
        The file or its record is missing, is not a plan, or was changed since it was written.
    """
    path = Path(path)
    table = _read_rows(path)
    beside = record_path(path)
    try:
        raw = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"'{beside}', the record of plan '{path}', does not exist; keep the two files together, or plan again"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{beside}', the record of a plan, cannot be read ({error}); plan again") from None
    record = parse_keys(PlanRecord, raw if isinstance(raw, dict) else {}, f"record '{beside}' of the plan")
    if rows_digest(table) != record.digest or set(table["plan_id"]) != {record.plan_id}:
        raise InputError(
            f"plan '{path}' was changed since it was written, by hand or by a spreadsheet: what it says is no longer"
            " what was planned; give it as `clvml plan` wrote it, or plan again"
        )
    return table, record


def _read_csv(path: Path) -> pd.DataFrame:
    # An empty text is missing, and a customer called "NA" is one.
    return pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])


def _read_rows(path: Path) -> pd.DataFrame:
    table = read_own_table(path, "plan", "clvml plan", _read_csv)
    is_csv = path.suffix.lower() == ".csv"
    missing = [name for name in NAMES if name not in table.columns]
    if missing or table.empty:
        lacks = f"lacks {', '.join(missing[:5])}" if missing else "holds no customer"
        raise InputError(f"'{path}' is not a plan: it {lacks}; give a file that `clvml plan` wrote")
    typed = {}
    for column in PLAN_COLUMNS:
        values = table[column.name]
        if column.kind == "text":
            values = values.astype("string")
            typed[column.name] = (
                values.map(unescaped, na_action="ignore").astype("string") if is_csv else values
            )
        else:
            typed[column.name] = _numbers(values, column, path)
    return pd.DataFrame(typed)


def _numbers(values: pd.Series, column: Column, path: Path) -> pd.Series:
    try:
        # Python's own reading of numbers gives back what was written, to the last bit.
        numbers = values.astype(object).where(values.notna(), np.nan).astype(float)
        return numbers.astype("int64") if column.kind == "whole" else numbers
    except (ValueError, TypeError) as error:
        raise InputError(
            f"plan '{path}' was changed since it was written ({column.name}: {error}); give it as `clvml plan` wrote it"
        ) from None
