"""Scoring: the rows of a prepared log, where they go, and what to know about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from clvml.config import AnyConfig, Config, ValueConfig
from clvml.customers.snapshots import CustomerDays
from clvml.customers.subscription_snapshots import known_at
from clvml.engines.spark import SparkLog, score_lines
from clvml.errors import InputError, first_of
from clvml.evaluation.leaderboard import FEWEST_CUSTOMERS
from clvml.log.subscriptions import SubscriptionLog
from clvml.outcomes.drift import STRONG_DRIFT, tier_shift
from clvml.scores.age import age_notes
from clvml.scores.batches import ScoredTable, score_in_batches
from clvml.scores.columns import ACQUISITION_SOURCE, SCORED, Column, scored_columns
from clvml.scores.overview import build_overview, write_overview
from clvml.scores.scorer import Scorer, customer_days
from clvml.scores.subscriber_overview import subscriber_overview
from clvml.scores.subscribers import SubscriberScores, SubscriptionScorer
from clvml.scores.tiers import TIER_SHARES, TIERS
from clvml.storage.addresses import is_address
from clvml.storage.database_output import check_database_output, write_database_table
from clvml.storage.files import TABLES
from clvml.storage.outputs import check_output
from clvml.workflows.preparation import Prepared


def score(
    prepared: Prepared[Any],
    scorer: Scorer,
    explain: Literal["all", "none"] | int = "all",
    progress: Callable[[int, int], None] = lambda done, of: None,
    acquired: pd.Series | None = None,
    value: ValueConfig | None = None,
) -> ScoredTable:
    """Score a prepared log; ``progress`` is told how many customers of how many are done.

    ``acquired`` is where customers came from (`clvml.decide.acquisition.read_sources`). ``value`` names the columns of
    this log that tell own margins, where they are called otherwise than in the training data.
    """
    margins = prepared.margins(_margins_by(scorer.model.config.value, value), prepared.as_of)
    return score_days(customer_days(prepared.log), prepared, scorer, explain, progress, margins, acquired)


def _margins_by(used: ValueConfig, asked: ValueConfig | None) -> ValueConfig:
    """Return what a model was trained with, its own margins read from the columns that are asked for."""
    if asked and asked.cost is not None and used.cost is not None:
        return used.model_copy(update={"cost": asked.cost})
    if asked and asked.margins is not None and used.margins is not None:
        margins = used.margins.model_copy(update={"column": asked.margins.column})
        return used.model_copy(update={"margins": margins})
    return used


def score_days(
    days: CustomerDays,
    prepared: Prepared[Any],
    scorer: Scorer,
    explain: Literal["all", "none"] | int = "all",
    progress: Callable[[int, int], None] = lambda done, of: None,
    margins: pd.Series | None = None,
    acquired: pd.Series | None = None,
) -> ScoredTable:
    """Score the purchase days of a prepared log, with the overview of all customers.

    ``margins`` are those of each customer (`Prepared.margins`), ``acquired`` is where they came from.
    """
    scored = score_in_batches(
        scorer, days, prepared.as_of, explain, progress, margins=margins, acquired=acquired
    )
    quality = prepared.log.quality
    overview = build_overview(
        scored,
        days,
        scorer.model,
        prepared.as_of,
        currency=quality.currency,
        quality=quality.to_dict(),
        evidence=scorer.evidence,
    )
    return replace(scored, overview=overview)


def score_on_spark(
    prepared: Prepared[SparkLog],
    scorer: Scorer,
    connection: duckdb.DuckDBPyConnection,
    explain: Literal["all", "none"] | int = "all",
    acquired: pd.Series | None = None,
) -> ScoredTable:
    """Score a log on Spark, and bring the rows into a table of ``connection``; ``acquired`` as in `score`.

    Raises
    ------
    InputError
        The model counts each customer's own margin, for which the log is read once more.
    """
    if scorer.model.config.value.has_own_margins:
        raise InputError(
            "the model counts each customer's own margin (value.cost, value.margins), which --engine spark does not"
            " read; leave out --engine, or train with one value.margin"
        )
    told = scorer.attributes_of(prepared.log.attributes)
    columns = scored_columns(scorer.value_reasons, acquired is not None, told)
    scored = ScoredTable(connection, columns=columns)
    score_lines(prepared.log, scorer, prepared.as_of, scored, explain, acquired)
    return scored


def score_subscriptions(
    prepared: Prepared[SubscriptionLog],
    scorer: SubscriptionScorer,
    explain: Literal["all", "none"] | int = "all",
) -> SubscriberScores:
    """Score the customers of a table of subscriptions who are subscribed, with the overview of all."""
    log, as_of = prepared.log, prepared.as_of
    scored = scorer.score(log.frame, as_of, explain)
    overview = subscriber_overview(scored.frame, log, scorer.model, as_of, scorer.evidence)
    return replace(scored, overview=overview)


def check_scored_output(output: str, source: str | None, columns: Sequence[Column] = SCORED) -> None:
    """Refuse a file or database table that the scored rows could not be written to, or that holds something else.

    Raises
    ------
    InputError
        See `clvml.storage.outputs.check_output` and `clvml.storage.database_output.check_database_output`.
    """
    if is_address(output):
        check_database_output(output, [column.name for column in columns], source)
    else:
        check_output(Path(output), TABLES, source)


def write_scored(scored: ScoredTable | SubscriberScores, output: str) -> None:
    """Write the scored rows into a file, with their overview beside it, or into a database table."""
    if is_address(output):
        frames = (pa.Table.from_pandas(frame, preserve_index=False) for frame in scored.frames())
        write_database_table(frames, output)
    else:
        scored.write(Path(output))
        write_overview(scored.overview, Path(output))


def acquired_notes(scored: ScoredTable) -> list[str]:
    """Return of how many scored customers it is not known where they came from."""
    if ACQUISITION_SOURCE not in scored.columns:
        return []
    query = f"select count(*) from {scored.name} where {ACQUISITION_SOURCE.name} is null"
    unknown = int(scored.connection.execute(query).fetchall()[0][0])
    if not unknown:
        return []
    return [f"{unknown:,} of {scored.customers:,} customers have no {ACQUISITION_SOURCE.name} (--acquired)"]


def unlike_training(
    scored: ScoredTable | SubscriberScores | pd.DataFrame, scorer: Scorer | SubscriptionScorer
) -> list[str]:
    """Return that the scored customers are unlike those of the training, where their value tiers say so."""
    if isinstance(scored, ScoredTable):
        frame = scored.connection.execute(f"select clv from {scored.name}").df()
    else:
        frame = scored if isinstance(scored, pd.DataFrame) else scored.frame
    clv = frame["clv"].to_numpy(dtype=float)
    if not scorer.model.tiers or len(clv) < FEWEST_CUSTOMERS:
        return []
    psi, shares = tier_shift(clv, scorer.model.tiers)
    if psi < STRONG_DRIFT:
        return []
    told = ", ".join(f"{share:.0%} {tier}" for share, tier in zip(shares, TIERS, strict=True))
    trained = ", ".join(f"{share:.0%}" for share in np.diff(TIER_SHARES, prepend=0.0, append=1.0))
    return [
        "the customers are unlike those that the model was trained on: by its value tiers they are"
        f" {told}, where those were {trained}; if this is another shop or currency, train a model on its log"
    ]


def scoring_notes(
    prepared: Prepared[Any], scorer: Scorer | SubscriptionScorer, config: AnyConfig, today: date | None = None
) -> list[str]:
    """Return what to know about a scored file: its date, the age of data and model, settings without effect.

    ``today`` is None where the date of the scores was asked for: a past one then needs no word about it.
    """
    notes = [prepared.note] if prepared.note else []
    model = scorer.model
    if isinstance(prepared.log, SubscriptionLog):
        known = known_at(prepared.log.frame, prepared.as_of)
        # Who is not subscribed any more has no row.
        former = known["customer_id"].nunique() - known.loc[known["end"].isna(), "customer_id"].nunique()
        if former:
            notes.append(
                f"{former:,} former subscribers are left out: nothing of theirs runs on {prepared.as_of}"
            )
    notes += age_notes(prepared.as_of, model.horizon_days, today, model.as_of)
    value = _margins_by(model.config.value, config.value)
    fixed = {
        "windows.horizon_days": (config.windows.horizon_days, model.horizon_days),
        **{
            f"value.{name}": (asked, getattr(value, name))
            for name, asked in config.value.model_dump().items()
        },
    }
    if isinstance(scorer, Scorer) and scorer.model.trees.events and prepared.log.events:
        counted = {key for kind in scorer.model.trees.events for key in kind.types}
        new = [
            f"'{one.label}' ({one.events:,})" for one in prepared.log.events.types if one.key not in counted
        ]
        if new:
            notes.append(
                f"events of types that the model does not know are not counted: {first_of(new, most=10)}"
            )
    ignored = [f"{key} ({asked} asked, {used} used)" for key, (asked, used) in fixed.items() if asked != used]
    # The first rule that holds decides: their order counts.
    rules = [[*one.segments.items()] for one in (config, model.config) if isinstance(one, Config)]
    if rules and rules[0] != rules[-1]:
        names = first_of((name for name, _ in rules[0]), most=2)
        ignored.append(f"segments ({names} asked, by rules other than those used)")
    if ignored:
        notes.append(f"the model was trained with other settings, which count: {', '.join(ignored)}")
    return notes
