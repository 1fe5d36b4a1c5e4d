"""Reading a campaign back: a plan and what its customers did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from clvml.decide.plan_file import TREATED, read_plan
from clvml.errors import InputError
from clvml.log import PurchaseLog
from clvml.log.finding import Finding
from clvml.outcomes.campaign import (
    Activity,
    check_window,
    contact_findings,
    outcomes,
    overlap_findings,
    ratio_findings,
    weightiest_first,
    window_of,
)
from clvml.outcomes.readback import Readback, read_back
from clvml.scores.scorer import customer_days
from clvml.workflows.preparation import Prepared


def readback(
    plan: Path,
    prepared: Prepared[PurchaseLog],
    margin: float,
    contacts: pd.DataFrame | None = None,
    redeemed: frozenset[str] | None = None,
    discounted: bool = False,
    beside: Sequence[Path] = (),
) -> Readback:
    """Return what the campaign of a plan did.

    Parameters
    ----------
    plan : Path
        A file that `clvml plan` wrote, with its record beside it.
    prepared : Prepared
        The purchase log, continued to the end of the plan's window.
    margin : float
        Share of net money that is earned.
    contacts : DataFrame, optional
        Who was contacted: ``customer_id, contact_date`` and optionally ``campaign``.
    redeemed : frozenset of str, optional
        Customers who took an incentive up.
    discounted : bool
        Amounts of the log are already less the incentives.
    beside : sequence of Path
        Plans of other campaigns of the time.

    Raises
    ------
    InputError
        The plan was changed or holds no control group, the window is not over, the data is of other customers, or too
        few were planned.
    """
    table, record = read_plan(plan)
    start, until = window_of(record)
    planned = table[table["action"].notna()]
    if planned.empty:
        raise InputError(f"plan '{plan}' treats nobody: there is nothing to read back")
    if (planned["group"] == TREATED).all():
        raise InputError(
            f"plan '{plan}' holds nobody out: what its campaign did cannot be told from what would have happened"
            " anyway; plan the next one with control.share above 0"
        )
    check_window(record, prepared.as_of)
    days = customer_days(prepared.log)
    before = prepared.log.connection.execute(
        f"select distinct customer_id from {prepared.log.table} where order_day < ?", [start]
    ).fetchall()
    activity = Activity(
        prepared.log.first_day,
        prepared.as_of,
        frozenset(name for (name,) in before),
        days.labels(start, record.horizon_days),
    )
    found, findings = outcomes(planned, activity)
    findings += ratio_findings(found, record.playbook.control.share)
    if contacts is not None:
        day = pd.to_datetime(contacts["contact_date"]).dt.date
        findings += contact_findings(found, contacts[(day >= start) & (day < until)], record.campaign)
    for path in beside:
        findings += _beside(found, path, start, until)
    return read_back(found, record, until, margin, redeemed, discounted, weightiest_first(findings))


def _beside(found: pd.DataFrame, path: Path, start: date, until: date) -> list[Finding]:
    other, record = read_plan(path)
    begins, ends = window_of(record)
    if begins >= until or ends <= start:
        return []
    return overlap_findings(found, other.loc[other["group"] == TREATED, "customer_id"], record.campaign)


def read_customers(path: Path, what: str, further: Sequence[str] = ()) -> pd.DataFrame:
    """Return a small file of customers (.csv or .parquet): ids as text, and all its other columns.

    Parameters
    ----------
    path : Path
    what : str
        What the file holds, for errors.
    further : sequence of str
        Columns that it must have beside ``customer_id``; of those that end in ``_date``, days.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or holds a date that is none.
    """
    import pyarrow as pa

    from clvml.storage.files import unescaped

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
        else:
            raise InputError(f"file '{path}' of {what} must end in .csv or .parquet")
    except FileNotFoundError:
        raise InputError(f"file '{path}' of {what} does not exist") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(f"file '{path}' of {what} cannot be read ({reason})") from None
    missing = [name for name in ("customer_id", *further) if name not in table.columns]
    if missing:
        raise InputError(
            f"file '{path}' of {what} lacks {', '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    table = table.assign(customer_id=table["customer_id"].astype("string").map(unescaped, na_action="ignore"))
    for name in further:
        if name.endswith("_date"):
            days = pd.to_datetime(table[name], errors="coerce", format="ISO8601")
            if days.isna().any():
                first = table.loc[days.isna(), name].iloc[0]
                raise InputError(
                    f"file '{path}' of {what}: {name} '{first}' is not a date; give it as YYYY-MM-DD"
                )
            table[name] = days
    return table
