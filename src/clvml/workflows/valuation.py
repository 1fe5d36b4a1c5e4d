"""From a scored table to what customers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from clvml.config import ValueConfig
from clvml.decide.acquisition import Acquisition, acquisition, read_acquired, read_spend
from clvml.decide.eligibility import read_customers
from clvml.decide.formulas import HISTORY
from clvml.decide.worth import Worth
from clvml.decide.worth import worth as work_out
from clvml.errors import InputError
from clvml.log import PurchaseLog
from clvml.scores.age import age_notes
from clvml.scores.columns import is_of_subscribers, refuse_purchase_log
from clvml.scores.overview import Origin, origin_of
from clvml.scores.scorer import customer_days, scored_table
from clvml.workflows.preparation import Prepared

COHORT = "cohort"


def worth(
    scores: pd.DataFrame | str | Path,
    by: Sequence[str] = ("segment", "value_tier"),
    value: ValueConfig | None = None,
    costs: pd.DataFrame | str | Path | None = None,
    before: pd.DataFrame | str | Path | None = None,
    prepared: Prepared[PurchaseLog] | None = None,
    today: date | None = None,
) -> Worth:
    """Work out what customers are worth.

    Parameters
    ----------
    scores, before : DataFrame, str or Path
        The scored table or its file, and an earlier one.
    by : sequence of str
        Columns to group by; with ``prepared`` also ``cohort``, the quarter of the first purchase; of
        subscribers always, that of the first subscription.
    value : ValueConfig, optional
        What the scores were made with; where left out, as their overview says, or the default.
    costs : DataFrame, str or Path, optional
        See `clvml.decide.worth.worth`.
    prepared : Prepared, optional
        The log that the scores were made from: plain formulas then stand beside the values, and own margins count.
    today : date, optional
        Tells how old the scores are; the present day where left out.

    Raises
    ------
    InputError
        A file or a column is not there or at fault.
    """
    table = scored_table(scores)
    origin = Origin() if isinstance(scores, pd.DataFrame) else origin_of(Path(scores))
    horizon = int(table["horizon_days"].iloc[0])
    age = age_notes(_as_of(table), horizon, today or date.today(), origin.trained_as_of)
    if prepared is not None:
        refuse_purchase_log(table.columns)
    if is_of_subscribers(table.columns):
        table = _with_cohort(table)
    elif prepared is not None:
        table = _with_history(table, prepared)
    elif COHORT in by and COHORT not in table.columns:
        raise InputError(
            "the quarter of a customer's first purchase (cohort) is in the log only; give --data"
        )
    known = (
        costs if costs is None or isinstance(costs, pd.DataFrame) else read_customers(str(costs), [], "costs")
    )
    earlier = None if before is None else scored_table(before)
    own = _own(prepared, value or origin.value, table)
    counted = origin.value is not None and origin.value.has_own_margins
    found = work_out(table, tuple(by), value or origin.value, known, earlier, own, counted)
    return replace(found, notes=[*age, *found.notes])


def acquired(
    scores: pd.DataFrame | str | Path,
    sources: str | Path,
    spend: str | Path,
    value: ValueConfig,
    prepared: Prepared[PurchaseLog] | None = None,
) -> Acquisition:
    """Hold what was spent to win the scored customers against what they bring.

    Parameters
    ----------
    scores : DataFrame, str or Path
        The scored table or its file.
    sources, spend : str or Path
        See `clvml.decide.acquisition.read_acquired` and `read_spend`.
    value : ValueConfig
        What the scores were made with.
    prepared : Prepared, optional
        The log that the scores were made from: own margins then count.

    Raises
    ------
    InputError
        A file is at fault, or nobody came from where money was spent.
    """
    table = scored_table(scores)
    own = _own(prepared, value, table)
    margin = np.full(len(table), value.margin) if own is None else own
    return acquisition(table, read_acquired(str(sources)), read_spend(str(spend)), margin, value)


def value_notes(known: ValueConfig | None, reads_log: bool = False) -> list[str]:
    """Return what to know about the margin that counts; ``known`` is what the scores were made with."""
    value = known or ValueConfig()
    notes = []
    if value.has_own_margins and not reads_log:
        notes.append(
            "what customers spent so far counts at the margin of all; with the log (`clvml worth --data`), each"
            " customer's own margin does"
        )
    if known is None:
        notes.append(
            f"a margin of {value.margin:.0%} over {value.horizon_days:,} days is taken for what the scores were made"
            " with, as in a configuration that says nothing; `clvml worth --config` takes another"
        )
    return notes


def _as_of(scores: pd.DataFrame) -> date:
    return date.fromisoformat(str(scores["as_of"].iloc[0]))


def _own(
    prepared: Prepared[PurchaseLog] | None, value: ValueConfig | None, scores: pd.DataFrame
) -> np.ndarray | None:
    """Return each scored customer's own margin, shape (n,); None where all are alike or no log is given.

    Where it is not known, the margin of all counts, as in the scores.
    """
    if prepared is None or value is None:
        return None
    known = prepared.margins(value, _as_of(scores))
    return (
        None
        if known is None
        else known.reindex(scores["customer_id"].astype(str)).fillna(value.margin).to_numpy()
    )


def refuse_log_beside(scores: Path) -> None:
    """Refuse a purchase log beside scores of subscriptions, which know since when customers are subscribed."""
    refuse_purchase_log(scored_table(scores).columns)


def _with_cohort(subscribers: pd.DataFrame) -> pd.DataFrame:
    first = pd.Timestamp(_as_of(subscribers)) - pd.to_timedelta(subscribers["tenure_days"], unit="D")
    return subscribers.assign(**{COHORT: first.dt.to_period("Q").astype("string").to_numpy()})


def _with_history(scores: pd.DataFrame, prepared: Prepared[PurchaseLog]) -> pd.DataFrame:
    as_of = _as_of(scores)
    features = customer_days(prepared.log).features(as_of, int(scores["horizon_days"].iloc[0]))
    known = features.set_index(features["customer_id"].astype("string"))[list(HISTORY)]
    found = known.reindex(scores["customer_id"].astype("string"))
    strangers = int(found["purchase_days"].isna().sum())
    if strangers:
        raise InputError(
            f"{strangers:,} of {len(scores):,} scored customers are not in the data before {as_of}; give the log that"
            " the scores were made from"
        )
    first = pd.Timestamp(as_of) - pd.to_timedelta(found["T"], unit="D")
    cohort = first.dt.to_period("Q").astype("string").where(found["purchase_days"].to_numpy() > 0)
    history = {name: found[name].to_numpy() for name in HISTORY}
    return scores.assign(**history, **{COHORT: cohort.to_numpy()})
