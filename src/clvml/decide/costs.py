"""What customers cost: margin, acquisition and service, from a table by any scored column."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.errors import InputError
from clvml.log.table import with_numbers
from clvml.scores.rules import check_columns

COSTS = ("margin", "acquisition_cost", "service_cost")


def costs_of(
    scores: pd.DataFrame, costs: pd.DataFrame | None, margins: NDArray[np.float64], notes: list[str]
) -> pd.DataFrame:
    """Return `COSTS` of each customer, shape (n, 3); what is not known is the given margin, NaN and 0."""
    known = pd.DataFrame(
        {"margin": margins, "acquisition_cost": np.nan, "service_cost": 0.0}, index=scores.index
    )
    if costs is None:
        return known
    given = [name for name in COSTS if name in costs.columns]
    keys = [str(name) for name in costs.columns if name not in COSTS]
    if not given or len(keys) > 1:
        raise InputError(
            f"costs have the columns {', '.join(map(str, costs.columns))}; give one column of the scores, such as"
            f" customer_id or segment, and some of {', '.join(COSTS)}"
        )
    texts = costs[given].astype("string").apply(lambda column: column.str.strip())
    numbers = with_numbers(texts, "costs").apply(pd.to_numeric, errors="coerce")
    for name in given:
        bad = numbers[name].isna() & costs[name].notna()
        least, most = (-1.0, 1.0) if name == "margin" else (0.0, np.inf)
        bad |= (numbers[name] < least) | (numbers[name] > most)
        if bad.any():
            raise InputError(
                f"costs: {name} is '{costs.loc[bad, name].iloc[0]}' in {int(bad.sum()):,} rows; give"
                + (" a share of the spend, such as 0.3" if name == "margin" else " 0 or more")
            )
    if not keys:
        if len(costs) != 1:
            raise InputError("costs without a column of the scores hold for everybody; give one row of them")
        return known.assign(**{name: numbers[name].iloc[0] for name in given})
    (key,) = keys
    check_columns([key], scores.columns, "costs")
    names = costs[key].astype("string")
    if names.duplicated().any():
        raise InputError(f"costs hold {key} '{names[names.duplicated()].iloc[0]}' twice; keep one row of it")
    place = pd.Index(names).get_indexer(pd.Index(scores[key].astype("string")))
    if (place < 0).all():
        raise InputError(
            f"costs: none of their {key} is in the scores, such as '{names.iloc[0]}'; write them alike"
        )
    for name in given:
        found = np.where(place >= 0, numbers[name].to_numpy(dtype=float)[place], np.nan)
        known[name] = np.where(np.isnan(found), known[name], found)
    if (place < 0).any():
        notes.append(f"costs: {int((place < 0).sum()):,} customers have a {key} of which no cost is given")
    return known
