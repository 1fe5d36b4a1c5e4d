"""Scoring on a server, of a purchase log, a feature table or a table of subscriptions."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from clvml.config import ColumnsConfig, DataConfig
from clvml.errors import InputError, first_of
from clvml.log import read_purchase_log
from clvml.log.attribute_reading import with_attributes_beside
from clvml.log.attribute_table import AttributeColumn
from clvml.log.events_beside import split_events, with_events_beside
from clvml.log.presets import fit_preset
from clvml.log.rows.derived import bind_formulas
from clvml.models.customer_model import CustomerModel
from clvml.scores.columns import scored_columns
from clvml.scores.customer_margin import customer_margins
from clvml.scores.scorer import Scorer, customer_days
from clvml.scores.subscribers import SubscriptionScorer
from clvml.storage.workspace import offline_database

_OURS = ("customer_id", "order_date", "amount")


def pyfunc_predict(
    model: Scorer | SubscriptionScorer | Path,
    frame: pd.DataFrame,
    as_of: date | None,
    now: datetime | None = None,
) -> pd.DataFrame:
    """Score a frame, which is a purchase log, a feature table or a table of subscriptions, as the MLflow model does.

    A purchase log gives one row per customer, best value first; a feature table gives a row for each of its rows, in
    its order. A purchase log holds the attributes that the model reads in every line, and the events that it counts in
    rows of their own (`clvml.log.events_beside.split_events`).

    Parameters
    ----------
    model : Scorer, SubscriptionScorer or Path
        A loaded model or the directory of one.
    frame : DataFrame
        A purchase log, with columns as in the configuration of the training; where that has several sources, one of
        them with clvml's column names. Or ``customer_id`` and the features (`clvml.customers.features_query`), and each
        customer's margin in `OWN_MARGIN` where margins differ between customers.
    as_of : date, optional
        The first day not observed. The default is the day after the last order, or column ``cutoff`` of the feature
        table.
    now : datetime, optional
        Order dates after it are rejected; the default is the present.

    Raises
    ------
    InputError
        The frame is none of these tables, lacks attributes or events, or the cutoff of its features is unknown.
    """
    if isinstance(model, SubscriptionScorer):
        return model.score_frame(frame, as_of)
    scorer = Scorer.load(model) if isinstance(model, Path) else model
    data, now = _served(scorer.model), now or datetime.now(UTC)
    if {"customer_id", "purchase_days"} <= set(frame.columns):
        missing = [f.name for f in scorer.model.features if f.name not in frame.columns]
        if missing:
            raise InputError(
                f"the feature table lacks {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}; give all that"
                " `clvml sql` selects"
            )
        # Rules of segments may name attributes, but the result does not repeat them.
        read = scorer.model.trees.attributes
        told = [AttributeColumn(one.name, one.column, one.kind) for one in read]
        return scorer.rows(frame, as_of or _cutoff(frame), attributes=told)[_served_columns(scorer)]
    fitted, names = data, tuple(str(name) for name in frame.columns)
    with suppress(InputError):
        # Where the preset does not fit, the check below says which columns are needed.
        fitted, names = fit_preset(data, names, "the input")
    amount = bind_formulas(fitted, None).computed.get("amount")
    of_amount = amount.columns if amount and fitted.columns.amount not in names else (fitted.columns.amount,)
    needed = [data.columns.customer_id, data.columns.order_date, *of_amount]
    if not set(needed) <= set(names):
        raise InputError(
            f"the input is not a purchase log ({', '.join(needed)}, ...) and no feature table (customer_id,"
            f" purchase_days, ...); its columns are {first_of(frame.columns) or 'none'}"
        )
    kinds, events = scorer.model.trees.events, pd.DataFrame()
    if kinds:
        frame, events = split_events(frame, data, fitted.columns.order_date)
    with offline_database() as connection:
        log = read_purchase_log(data, source=frame, connection=connection, now=now, as_of=as_of)
        as_of = as_of or log.last_day + timedelta(days=1)
        if attributes := scorer.model.trees.attributes:
            log = with_attributes_beside(log, data, frame, [one.column for one in attributes])
        if kinds:
            log = with_events_beside(log, data, events, date.fromisoformat(kinds[0].recorded_from))
        margins = customer_margins(scorer.model.config.value, data, frame, now, as_of)
        scores = scorer.score(customer_days(log), as_of, margins=margins)
        return scores[_served_columns(scorer)]


def _served_columns(scorer: Scorer) -> list[str]:
    return [column.name for column in scored_columns(scorer.value_reasons, acquired=False)]


def _served(model: CustomerModel) -> DataConfig:
    """Return how a server reads a log: as in training; with several sources, one of them with clvml's column names."""
    data = model.config.data
    if not data.sources:
        return data
    columns = {
        ours: theirs
        for ours, theirs in data.columns.mapped().items()
        if ours in _OURS or ours in model.columns
    }
    return data.with_source(data.source).model_copy(update={"columns": ColumnsConfig(**columns)})


def _cutoff(features: pd.DataFrame) -> date:
    try:
        (text,) = features["cutoff"].astype(str).str[:10].unique() if "cutoff" in features else ("",)
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(
            "which day the features are of is not known; give the parameter as_of (YYYY-MM-DD), or the same date as"
            " text in every row of column cutoff"
        ) from None
