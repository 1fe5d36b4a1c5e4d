"""Tables beside the purchase log, such as opt-outs, costs or an experiment: read from any file that a log may be in."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from clvml.errors import InputError, naming
from clvml.log.readers.parts import read_parts, selectable
from clvml.log.side_tables import refuse_broken
from clvml.log.values.dates import (
    DateSpelling,
    compare_dates,
    custom_of,
    date_spellings_sql,
    date_sql,
    iso_sql,
    within_calendar,
)
from clvml.log.values.numbers import MISSING, Spelling, compare_formats, parse_number
from clvml.log.values.time_zones import moved_sql
from clvml.storage.addresses import hide_password, is_address
from clvml.storage.files import unescaped

_TRUTHS = {"true": 1.0, "false": 0.0}
_DIGITS = str.maketrans("23456789", "11111111")


def read_table(path: str | Path, what: str) -> pd.DataFrame:
    """Read a table of texts: a file, delimited in any usual way, Excel, JSON or Parquet, or one of a database.

    Ids keep their leading zeros; texts are stripped, and empty ones are missing. An apostrophe that a spreadsheet
    needs before a text that it would run is taken off. ``path`` may be the address of a table or query
    (`clvml.storage.addresses`); ``what`` it is stands in errors.

    Raises
    ------
    InputError
        The file does not exist, cannot be read, repeats a column's name or has rows of another width than its header.
    """
    shown = hide_password(str(path))
    if not is_address(str(path)) and not Path(path).is_file():
        raise InputError(f"{what} file '{shown}' does not exist; correct its path")
    with duckdb.connect() as connection:
        with naming(what):
            parts = read_parts(connection, str(path))
        if len(parts) > 1:
            raise InputError(
                f"{what} file '{shown}' has several sheets with data; keep one, or save it as CSV in UTF-8"
            )
        part = parts[0]
        repeated = part.repeated or {name for name in part.columns if part.columns.count(name) > 1}
        if repeated:
            raise InputError(
                f"{what} file '{shown}' has several columns called '{min(repeated)}'; rename all but one"
            )
        part = selectable(connection, part, "clvml_table", range(len(part.columns)))
        cells = ", ".join(
            f"{_text_sql(f'c{place}', kind)} as c{place}" for place, kind in enumerate(part.types)
        )
        try:
            if part.copied:
                with naming(what):
                    refuse_broken(connection, part)
            table = connection.execute(f"select {cells} from {part.relation}").df()
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{what} file '{shown}' cannot be read ({reason}); save it as CSV in UTF-8"
            ) from None
    return pd.DataFrame(
        {
            name: table[f"c{place}"].astype("string").map(unescaped, na_action="ignore").astype("string")
            for place, name in enumerate(part.columns)
        }
    )


def texts_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as `read_table` returns a file of it: stripped texts, and missing where they are empty."""
    return frame.astype("string").apply(lambda column: column.str.strip()).replace("", pd.NA)


def with_numbers(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return a table of texts with those columns as numbers that hold nothing else, or true and false.

    Raises
    ------
    InputError
        Nothing in a column of numbers tells whether its sign is that of decimals or of thousands.
    """
    return pd.DataFrame({name: _numbers(table[name], f"{what}: column '{name}'") for name in table})


def days_of(
    texts: pd.Series, where: str, timezone: str = "UTC", *, in_utc: bool = False
) -> NDArray[np.datetime64]:
    """Return the days of a column of dates, in any format that a log may write them, shape (n,); NaT of no date.

    Where nothing tells day and month apart, dates with points have the day in front, as in a log. Moments with a
    distance from UTC are of the day that they have in ``timezone``, and all others are, too, where the column is
    ``in_utc`` and not of dates alone.

    Raises
    ------
    InputError
        Nothing in a column of dates without points tells day and month apart, or it writes dates in two ways.
    """
    known = texts.astype(object).where(texts.notna().to_numpy(), None)
    given = pa.table({"place": pa.array(range(len(known))), "text": pa.array(known, pa.string())})
    with duckdb.connect() as connection:
        iso, iso_zoned = iso_sql("text", timezone)
        connection.register("given", given)
        connection.execute(f"create table texts as select 0 as part, place, text, {iso} as day from given")
        connection.execute("create table others as select * from texts where day is null")
        found = connection.execute(date_spellings_sql("others", "text")).fetchall()
        spellings = [DateSpelling(*row[1:]) for row in found]
        readings = compare_dates(spellings)
        if readings.open_text is not None and custom_of(
            filter(attrgetter("is_open"), spellings), comma=False
        ):
            readings = compare_dates(spellings, order="dmy")
        if readings.open_text is not None or readings.conflict:
            held = readings.open_text.text if readings.open_text else readings.conflict[0][0]
            raise InputError(
                f"{where} holds '{held}', and nothing in it tells day, month and year apart; give dates as YYYY-MM-DD"
            )
        other, other_zoned = date_sql("text", readings.format, timezone)
        connection.execute(
            f"create table moments as select place, coalesce(day, {within_calendar(other)}) as order_ts,"
            f" case when day is null then {other_zoned} else {iso_zoned} end as zoned from texts"
        )
        moved = moved_sql(connection, "moments", "UTC", timezone, "not zoned") if in_utc else "order_ts"
        days = connection.execute(
            f"select (case when zoned then order_ts else {moved} end)::date as day from moments order by place"
        ).fetchnumpy()["day"]
    return np.ma.filled(np.ma.asarray(days).astype("datetime64[D]"), np.datetime64("NaT"))


def _text_sql(cell: str, kind: str) -> str:
    text = f"nullif(trim({cell}::varchar), '')"
    if kind in ("DOUBLE", "FLOAT"):
        # A spreadsheet knows no whole numbers: 17.0 is customer 17.
        whole = f"{cell} = floor({cell}) and abs({cell}) < 1e15"
        return f"case when {whole} then {cell}::bigint::varchar else {text} end"
    return text


def _numbers(texts: pd.Series, where: str) -> pd.Series:
    known = texts.mask(texts.str.casefold().str.fullmatch(MISSING).fillna(False).astype(bool))
    distinct = known.dropna().unique()
    if not len(distinct):
        return texts
    folded = [str(text).casefold() for text in distinct]
    if set(folded) <= set(_TRUTHS):
        return known.str.casefold().map(_TRUTHS).astype(float)
    plain = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce")
    if plain.isna().any():
        alike = {text.translate(_DIGITS): text for text in reversed(distinct)}
        spellings = [Spelling(text, 1, place) for place, text in enumerate(alike.values())]
        readings = compare_formats(spellings)
        number = readings.chosen
        if number is None and readings.formats:
            raise InputError(
                f"{where} holds '{readings.conflict[0].text}', and nothing in it tells whether that is a decimal"
                " sign or one of thousands; write numbers as 1234.56"
            )
        values = [None if number is None else parse_number(text, number) for text in distinct]
        if None in values:
            return texts
        plain = pd.Series([float(value) for value in values if value is not None])
    return known.map(dict(zip(distinct, plain, strict=True))).astype(float)
