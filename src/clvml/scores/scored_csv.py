"""Reading a scored CSV file as it was before it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from clvml.scores.columns import ACQUISITION_SOURCE, PLAN, SUBSCRIBERS, TEXTS, scored_columns
from clvml.storage.files import unescaped

_KNOWN = {column.name for column in (*scored_columns(value_reasons=True, acquired=True), *SUBSCRIBERS)}


def read_scored_csv(path: Path) -> pd.DataFrame:
    """Read a scored CSV file; only empty texts are missing, so that `NA` can stand for Namibia."""

    def read(dtype: Any, places: list[int] | None = None) -> pd.DataFrame:
        return pd.read_csv(path, dtype=dtype, usecols=places, keep_default_na=False, na_values=[""])

    scores = read(TEXTS)
    names = list(map(str, scores))
    own = [name for name in names if name not in _KNOWN]
    texts = read("string", [names.index(name) for name in own]) if own else scores
    for name in own:
        # Digits with a leading zero are a code, such as a postcode.
        is_code = texts[name].str.fullmatch(r"0\d+").any()
        if is_code or not pd.api.types.is_numeric_dtype(scores[name]):
            scores[name] = texts[name]
    for name in ["customer_id", ACQUISITION_SOURCE.name, PLAN.name, *own]:
        if name in scores and pd.api.types.is_string_dtype(scores[name]):
            scores[name] = scores[name].map(unescaped, na_action="ignore").astype("string")
    return scores
