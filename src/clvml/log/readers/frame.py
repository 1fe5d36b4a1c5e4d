"""A pandas frame as a purchase log: its columns in DuckDB as a file of it would have them."""

from __future__ import annotations

from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from clvml.errors import InputError

# What it is called in messages.
FRAME = "DataFrame"


def register_frame(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, view: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make the temporary ``view`` of the frame with columns ``c0``, ``c1``, ...; return their names and types.

    Levels of the index that have a name are columns, too. A column that mixes types, such as invoice numbers of
    which some are text, is read as text: what a CSV file of it would hold.

    Raises
    ------
    InputError
        The frame has no row, several columns of one name, or one that no table can hold.
    """
    named = [level for level in frame.index.names if level is not None]
    if named:
        frame = frame.reset_index(level=named, allow_duplicates=True)
    columns = tuple(map(str, frame.columns))
    if frame.empty:
        raise InputError(f"the {FRAME} has no rows; give one row per order line")
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise InputError(
            f"the {FRAME} has several columns called '{repeated[0]}' (an index with a name is one, too); rename or"
            " drop all but one"
        )
    arrays = [_column(name, frame.iloc[:, place]) for place, name in enumerate(columns)]
    table = pa.table(arrays, names=[f"c{place}" for place in range(len(columns))])
    connection.register(view, table)
    described = connection.execute(f"DESCRIBE {view}").fetchall()
    return columns, tuple(row[1] for row in described)


def _column(name: str, values: pd.Series) -> pa.Array | pa.ChunkedArray:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    elif isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    elif isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values), values.index)
    elif isinstance(values.dtype, pd.DatetimeTZDtype):
        # Left to pyarrow, pandas would warn.
        instants = values.dt.tz_convert(None).to_numpy()
        return pa.array(instants, type=pa.timestamp(values.dtype.unit, "UTC"), from_pandas=True)
    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowException, OverflowError):
        held = values.dropna()
        if not held.map(pd.api.types.is_scalar).all():
            kinds = ", ".join(sorted({type(value).__name__ for value in held}))
            raise InputError(
                f"column '{name}' of the {FRAME} mixes what no table can hold ({kinds}); make it text or numbers, or"
                " drop it"
            ) from None
        array = pa.Array.from_pandas(values.map(str, na_action="ignore"), type=pa.large_string())
    return array.storage if isinstance(array.type, pa.ExtensionType) else array
