"""The overview of a scoring: summaries that report and dashboard need besides the scored rows.

It is written beside the scored file, as JSON, so that they need neither the purchase log nor the model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clvml.config import ValueConfig
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.evaluation.evidence import Evidence
from clvml.models.customer_model import CustomerModel
from clvml.models.outlook import HORIZONS
from clvml.scores.batches import ScoredTable
from clvml.storage.files import replacing

FORMAT = 1
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
STEP_DAYS = 30
# Number of cohorts (quarters of first purchase) shown, and of quarters that each is followed.
COHORTS = 12


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Segment(_Part):
    segment: str
    customers: Count
    p_churn: Share
    expected_spend: float
    expected_spend_low: float
    expected_spend_high: float
    clv: float


class _Step(_Part):
    segment: str
    first_day: date
    days: Annotated[int, Field(gt=0)]
    expected_spend: float
    # None for subscriptions.
    expected_spend_low: float | None = None
    expected_spend_high: float | None = None


class _Month(_Part):
    month: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
    spend: float
    buyers: Count


class _Cohort(_Part):
    quarter: Annotated[str, Field(pattern=r"^\d{4}Q[1-4]$")]
    customers: Count
    returned: list[Share]


class _Retention(_Part):
    quarter: Annotated[str, Field(pattern=r"^\d{4}Q[1-4]$")]
    customers: Count
    month: Count
    retention: Annotated[float, Field(ge=0)]
    revenue_retention: Annotated[float, Field(ge=0)] | None


class _NewCustomers(_Part):
    customers: Count
    first_day: date
    last_day: date
    horizon_days: Count
    mean_spend: float
    median_spend: float
    mean_first_spend: float


class _Reason(_Part):
    reason: str
    treatment: str
    rows: Count
    money: float | None


class _Warning(_Part):
    code: str = ""
    text: str
    rows: Count | None = None
    money: float | None = None


class _Quality(_Part):
    rows_in: Count
    rows_out: Count
    money_in: float | None
    money_out: float | None
    reasons: list[_Reason]
    one_time_share: Share | None = None
    found: str = ""
    warnings: list[_Warning] = []


class Overview(_Part):
    """Schema of an overview; `build_overview` describes its parts."""

    format: Literal[1]
    as_of: date
    horizon_days: Annotated[int, Field(gt=0)]
    # Missing in files of earlier releases.
    trained_as_of: date | None = None
    currency: str | None
    customers: Count
    value: ValueConfig
    segments: list[_Segment]
    outlook: list[_Step]
    turnover: list[_Month]
    cohorts: list[_Cohort]
    # Only for subscriptions.
    retention: list[_Retention] = []
    new_customers: _NewCustomers | None
    quality: _Quality
    evidence: Evidence | None


def overview_path(scores: Path) -> Path:
    """Return where the overview of a scored file is.

    >>> str(overview_path(Path("out/scores.csv")))
    'out/scores.overview.json'
    """
    return scores.with_suffix(".overview.json")


def build_overview(
    scored: ScoredTable,
    days: CustomerDays,
    model: CustomerModel,
    as_of: date,
    *,
    currency: str | None,
    quality: dict[str, Any],
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summaries of all customers, ready for JSON.

    Parameters
    ----------
    scored : ScoredTable
        The scored rows.
    days : CustomerDays
        The purchase days that were scored.
    model : CustomerModel
        The model that scored them.
    as_of : date
        The first day not observed.
    currency : str or None
        Currency of the log.
    quality : dict
        The data-quality report (`clvml.log.QualityReport.to_dict`).
    evidence : dict, optional
        How good the model is (`clvml.evaluation.evidence`).

    Returns
    -------
    dict
        ``segments`` (as `ScoredTable.segments`), ``outlook`` (one entry per step of 30 days and segment, and for
        ``all``: expected spend with the 80 % interval of the sum), ``turnover`` (net spend and buyers per month
        before ``as_of``), ``cohorts`` (per quarter of first purchase, the share who bought in each quarter after),
        ``new_customers`` (what new customers brought within the value horizon, None where the log is too short),
        ``value``, ``quality``, ``evidence`` and the dates and numbers that identify the scoring.
    """
    segments = scored.segments(model.intervals)
    return {
        "format": FORMAT,
        "as_of": as_of.isoformat(),
        "horizon_days": model.horizon_days,
        "trained_as_of": model.as_of.isoformat(),
        "currency": currency,
        "customers": scored.customers,
        "value": model.config.value.model_dump(),
        "segments": segments.to_dict("records"),
        "outlook": _outlook(scored, model, as_of),
        "turnover": _turnover(days, as_of),
        "cohorts": _cohorts(days, as_of),
        "new_customers": _new_customers(days, as_of, model.config.value.horizon_days),
        "quality": quality,
        "evidence": evidence,
    }


def write_overview(overview: dict[str, Any] | None, scores: Path) -> None:
    """Write the overview beside the scored file, completely or not at all; None removes that of an older file."""
    if overview is None:
        overview_path(scores).unlink(missing_ok=True)
        return
    with replacing(overview_path(scores)) as draft:
        draft.write_text(json.dumps(overview, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def read_overview(scores: Path) -> dict[str, Any] | None:
    """Return the overview beside a scored file; None where there is none.

    Raises
    ------
    InputError
        The file is damaged, or of another version of clvml.
    """
    path = overview_path(scores)
    try:
        overview = Overview.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be read ({error.strerror}); score again, or remove the file"
        ) from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise InputError(
            f"'{path}' is damaged or of another version of clvml ({where}); score again, or remove the file"
        ) from None
    return overview.model_dump(mode="json")


@dataclass(frozen=True)
class Origin:
    """Origin of a scored file, as far as its overview states it.

    Attributes
    ----------
    trained_as_of : date or None
        The first day that the model did not see.
    evidence : dict or None
        How good the model is (`clvml.evaluation.evidence`).
    currency : str or None
        That of the log.
    """

    trained_as_of: date | None = None
    value: ValueConfig | None = None
    evidence: dict[str, Any] | None = None
    currency: str | None = None


def origin_of(scores: Path) -> Origin:
    """Return the origin of a scored file; it is empty without a readable overview."""
    try:
        found = read_overview(scores)
    except InputError:
        # Whoever shows the overview reports this error.
        found = None
    if found is None:
        return Origin()
    trained = found["trained_as_of"]
    return Origin(
        date.fromisoformat(trained) if trained else None,
        ValueConfig.model_validate(found["value"]),
        found["evidence"],
        found["currency"],
    )


def _outlook(scored: ScoredTable, model: CustomerModel, as_of: date) -> list[dict[str, Any]]:
    """Return expected spend by steps of 30 days: exact at the horizons of the scored file, interpolated by the season.

    The variance of a step is its share of that of the horizon: the spend of a customer in different months is taken as
    independent, given its expectation.
    """
    columns = [f"expected_spend_{days}d" for days in HORIZONS]
    sums = scored.connection.execute(
        f"select segment, {', '.join(f'sum({name}) as {name}' for name in columns)} from {scored.name}"
        " group by segment order by segment"
    ).df()
    variances = scored.variances(model.intervals)
    clock = np.concatenate([[0.0], np.cumsum(model.trees.prior.season.curve(as_of, HORIZONS[-1]))])
    # The calendar ends with the year 9999.
    ends = np.arange(STEP_DAYS, min(HORIZONS[-1], (date.max - as_of).days) + 1, STEP_DAYS)
    knots = [0, *HORIZONS]
    steps = []
    rows = [
        (str(row["segment"]), row[columns].to_numpy(float), variances[row["segment"]])
        for _, row in sums.iterrows()
    ]
    rows.append(("all", sums[columns].sum().to_numpy(float), sum(variances.values())))
    for segment, totals, variance in rows:
        spend = np.interp(clock[ends], clock[knots], [0.0, *totals])
        whole = float(np.interp(clock[min(model.horizon_days, HORIZONS[-1])], clock[knots], [0.0, *totals]))
        for end, amount in zip(ends.tolist(), np.diff(spend, prepend=0.0).tolist(), strict=True):
            share = amount / whole if whole > 0 else 0.0
            low, high = model.intervals.total_interval(amount, variance * share)
            steps.append(
                {
                    "segment": segment,
                    "first_day": (as_of + timedelta(days=end - STEP_DAYS)).isoformat(),
                    "days": STEP_DAYS,
                    "expected_spend": round(amount, 2),
                    "expected_spend_low": round(low, 2),
                    "expected_spend_high": round(high, 2),
                }
            )
    return steps


def _turnover(days: CustomerDays, as_of: date) -> list[dict[str, Any]]:
    """Return net spend and buyers per calendar month, all months between the first and the last."""
    rows = days.connection.execute(
        f"select date_trunc('month', day)::date as month, round(sum(amount), 2) as spend,"
        f" count(distinct case when purchase_amount is not null then customer_id end) as buyers from {days.table}"
        " where day < ? group by month order by month",
        [as_of],
    ).df()
    if rows.empty:
        return []
    months = pd.period_range(rows["month"].iloc[0], as_of - timedelta(days=1), freq="M")
    found = rows.set_index(pd.PeriodIndex(rows["month"], freq="M")).reindex(months)
    return [
        {"month": str(month), "spend": float(spend), "buyers": int(buyers)}
        for month, spend, buyers in zip(
            months, found["spend"].fillna(0.0), found["buyers"].fillna(0), strict=True
        )
    ]


def _cohorts(days: CustomerDays, as_of: date) -> list[dict[str, Any]]:
    """Return, per quarter of first purchase, the share who bought again in each whole quarter after it."""
    rows = days.connection.execute(
        f"""
        with bought as (
            select customer_id, date_trunc('quarter', day)::date as quarter from {days.table}
            where day < ? and purchase_amount is not null group by all
        ),
        firsts as (select customer_id, min(quarter) as first from bought group by customer_id)
        select first, date_diff('quarter', first, quarter) as after, count(*) as customers
        from bought join firsts using (customer_id) group by all order by first, after
        """,
        [as_of],
    ).df()
    # Only whole quarters: one that is not over would look like a loss.
    over = pd.Period(as_of, freq="Q").ordinal - 1
    cohorts = []
    for first, own in rows.groupby("first"):
        quarter = pd.Period(str(first), freq="Q")
        counts = own.set_index("after")["customers"]
        followed = over - quarter.ordinal
        shares = [float(counts.get(after, 0)) / float(counts[0]) for after in range(1, followed + 1)]
        cohorts.append(
            {
                "quarter": str(quarter),
                "customers": int(counts[0]),
                "returned": [round(share, 4) for share in shares[:COHORTS]],
            }
        )
    return cohorts[-COHORTS:]


def _new_customers(days: CustomerDays, as_of: date, horizon_days: int) -> dict[str, Any] | None:
    """Return what new customers brought within ``horizon_days`` of their first purchase, on average.

    It covers the latest year of customers whose horizon is over. Customers of the first 90 days of a log are left out:
    many of them were customers before it began.
    """
    newest = as_of - timedelta(days=horizon_days)
    oldest = max(days.first_day + timedelta(days=90), newest - timedelta(days=365))
    if oldest >= newest:
        return None
    row = days.connection.execute(
        f"""
        with firsts as (
            select customer_id, min(day) as first from {days.table}
            where purchase_amount is not null group by customer_id
        ),
        spent as (
            select sum(amount) as spend, sum(case when day = first then amount else 0 end) as first_spend
            from {days.table} join firsts using (customer_id)
            where first >= ? and first < ? and day >= first and day < first + {horizon_days}
            group by customer_id
        )
        select count(*), avg(spend), median(spend), avg(first_spend) from spent
        """,
        [oldest, newest],
    ).fetchall()[0]
    if not row[0]:
        return None
    return {
        "customers": int(row[0]),
        "first_day": oldest.isoformat(),
        "last_day": (newest - timedelta(days=1)).isoformat(),
        "horizon_days": horizon_days,
        "mean_spend": round(float(row[1]), 2),
        "median_spend": round(float(row[2]), 2),
        "mean_first_spend": round(float(row[3]), 2),
    }
