"""Who rose and who fell between two scorings, and how much money that is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clvml.errors import InputError
from clvml.scores.columns import is_of_subscribers
from clvml.scores.tiers import TIERS


def movement(scores: pd.DataFrame, before: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return who rose, fell, stayed, came and left between value tiers, and the money of each.

    Raises
    ------
    InputError
        The earlier scores are not earlier, of other customers, or of purchases beside subscriptions.
    """
    of_subscribers = [is_of_subscribers(table.columns) for table in (before, scores)]
    if of_subscribers[0] != of_subscribers[1]:
        said = ["of subscriptions" if kind else "of purchases" for kind in of_subscribers]
        raise InputError(
            f"the earlier scores are {said[0]} and the others {said[1]}, whose values tell nothing of each other; leave"
            " --before out, or give earlier scores of the same kind"
        )
    if str(before["as_of"].iloc[0]) >= str(scores["as_of"].iloc[0]):
        raise InputError(
            f"the earlier scores are as of {before['as_of'].iloc[0]}, the others as of {scores['as_of'].iloc[0]}; give"
            " the older file with --before"
        )
    if str(before["model_version"].iloc[0]) != str(scores["model_version"].iloc[0]):
        notes.append("the two scorings are of different models: a part of the movement is the model's")
    columns = ["customer_id", "value_tier", "clv"]
    both = before[columns].merge(scores[columns], on="customer_id", how="outer", suffixes=("_before", "_now"))
    if not (both["clv_before"].notna() & both["clv_now"].notna()).any():
        raise InputError("no customer is in both scorings; give two files with the same customer ids")
    rank = {tier: float(place) for place, tier in enumerate(TIERS)}
    then, now = (
        both[f"value_tier_{when}"].astype(object).map(rank).to_numpy(float) for when in ("before", "now")
    )
    moves = [np.isnan(then), np.isnan(now), now < then, now > then]
    kinds = np.select(moves, ["new", "gone", "rose", "fell"], default="stayed")
    own = both.assign(
        clv_before=both["clv_before"].fillna(0.0), clv_now=both["clv_now"].fillna(0.0), move=kinds
    )
    moved = own.groupby("move").agg(
        customers=("customer_id", "size"), clv_before=("clv_before", "sum"), clv_now=("clv_now", "sum")
    )
    moved = moved.reindex(["rose", "stayed", "fell", "new", "gone"]).fillna(0.0).round(2)
    moved["change"] = (moved["clv_now"] - moved["clv_before"]).round(2)
    return moved.astype({"customers": int}).reset_index()
