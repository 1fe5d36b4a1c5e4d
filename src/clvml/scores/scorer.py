"""The scored file: one ranked row per customer, best value first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers.snapshots import OPTIONAL_COLUMNS, CustomerDays
from clvml.errors import InputError
from clvml.evaluation.evidence import read_evidence, write_evidence
from clvml.explain import Reference, reasons
from clvml.explain.of_customers import check_inputs, contributions
from clvml.log import PurchaseLog
from clvml.log.attribute_table import AttributeColumn, AttributeTable
from clvml.models.customer_model import CustomerModel
from clvml.models.outlook import HORIZONS
from clvml.scores.columns import (
    ACQUISITION_SOURCE,
    FURTHER,
    PLAN,
    REASON_COLUMNS,
    REASONS,
    SCORED,
    SUBSCRIBERS,
    as_written,
    attribute_column,
    is_of_subscribers,
    scored_columns,
)
from clvml.scores.customer_margin import OWN_MARGIN, own_clv
from clvml.scores.scored_csv import read_scored_csv
from clvml.scores.segments import segment
from clvml.scores.tiers import TIERS, band, value_tier
from clvml.storage.own_tables import read_own_table

RISKS = ("low", "medium", "high")
NO_REASON = "no single reason stands out"


@dataclass(frozen=True)
class Scorer:
    """A trained model with its explanation, ready to score purchase logs.

    Attributes
    ----------
    reference : Reference
        The customer with whom reasons compare all others.
    version, run_id : str
        Written into each row; empty where unknown.
    evidence : dict or None
        How good the model was out of time (`clvml.evaluation.evidence`); None where that is not known.
    value_reasons : bool
        Whether reasons for the expected spend are given with those for the churn risk.
    """

    model: CustomerModel
    reference: Reference
    version: str = ""
    run_id: str = ""
    evidence: dict[str, Any] | None = None
    value_reasons: bool = False

    @classmethod
    def load(cls, directory: Path, version: str = "", run_id: str = "") -> Scorer:
        """Read a saved model and its explanation.

        Raises
        ------
        InputError
            The directory holds no model of clvml.
        """
        model = CustomerModel.load(directory)
        reference = Reference.load(directory, model.features, check_inputs)
        return cls(model, reference, version, run_id, read_evidence(directory))

    def save(self, directory: Path) -> None:
        """Write the model and its explanation into an existing directory: JSON only."""
        # The model keeps a digest of every file.
        self.reference.save(directory)
        write_evidence(self.evidence, directory)
        self.model.save(directory)

    def with_value_reasons(self) -> Scorer:
        """Return the scorer that gives reasons for the expected spend as well."""
        return replace(self, value_reasons=True)

    def score(
        self,
        days: CustomerDays,
        as_of: date,
        explain: Literal["all", "none"] | int = "all",
        margins: pd.Series | None = None,
    ) -> pd.DataFrame:
        """Score every customer with a line before ``as_of``.

        Parameters
        ----------
        days : CustomerDays
            The purchase days of the log.
        as_of : date
            The first day not observed.
        explain : "all", "none" or int
            Whose reasons to give; a number: those of so many customers with most value at risk
            (``p_churn * expected_spend``).
        margins : Series, optional
            Each customer's own margin, by customer id (`clvml.scores.customer_margin`).

        Returns
        -------
        DataFrame
            `scored_columns`, one row per customer, by ``clv`` falling, then by ``customer_id``. Text without a value,
            such as the next order date of a customer who will hardly order again, is missing, never empty.

        Raises
        ------
        InputError
            No line is dated before ``as_of``, or the log lacks columns of the training data.
        """
        features = days.counting(self.model.trees.events).features(as_of, self.model.horizon_days)
        if features.empty:
            raise InputError(f"no order line is dated before {as_of}; choose a later --as-of")
        if margins is not None:
            features[OWN_MARGIN] = features["customer_id"].astype(str).map(margins)
        told = self.attributes_of(days.attributes)
        scored = self.rows(features, as_of, explain == "all", days.first_day, told)
        if isinstance(explain, int):
            at_risk = scored["at_risk"].sort_values(ascending=False, kind="stable")
            chosen = at_risk.index[:explain]
            for name, said in self.reasons(features.loc[chosen], as_of, days.first_day).items():
                scored.loc[chosen, name] = said.replace("", pd.NA)
        ranked = scored.sort_values(["clv", "customer_id"], ascending=[False, True], kind="stable")
        return ranked.drop(columns="at_risk").reset_index(drop=True)

    def attributes_of(self, known: AttributeTable | None) -> tuple[AttributeColumn, ...]:
        """Return the attributes that become columns of the scores: those that vary, and those that the model reads."""
        read = {one.name for one in self.model.trees.attributes}
        return tuple(one for one in known.columns if one.name in read or not one.useless) if known else ()

    def rows(
        self,
        features: pd.DataFrame,
        as_of: date,
        explain: bool = True,
        log_from: date | None = None,
        attributes: Sequence[AttributeColumn] = (),
    ) -> pd.DataFrame:
        """Score the customers of a feature table, which may be a part of all: no row depends on the other rows.

        Parameters
        ----------
        features : DataFrame
            One row per customer, as `CustomerDays.features` or its SQL on another engine returns it; optionally with
            the customer's own margin in `OWN_MARGIN`.
        as_of : date
            The first day not observed: the cutoff of the features.
        explain : bool
            Whether to give reasons.
        log_from : date, optional
            First day of the log; by default, or if earlier, that of the training log.
        attributes : sequence of AttributeColumn
            Attributes that become columns of the scores as well.

        Returns
        -------
        DataFrame
            `scored_columns`, in the order of `features`, with `ACQUISITION_SOURCE` where `features` have it, and
            ``at_risk``: P(churn) times expected spend [currency], missing for customers without a purchase day.
        """
        model = self.model
        predicted = model.predict(features, as_of, log_from=log_from)
        if OWN_MARGIN in features:
            predicted["clv"] = own_clv(predicted["clv"], features[OWN_MARGIN], model.config.value)
        tier = value_tier(predicted["clv"].to_numpy(), model.tiers)
        columns = scored_columns(self.value_reasons, ACQUISITION_SOURCE.name in features, attributes)
        names = [column.name for column in columns if "reason_" in column.name]
        said = (
            self.reasons(features, as_of, log_from).replace("", None) if explain else dict.fromkeys(names, "")
        )
        at_risk = (predicted["p_churn"] * predicted["expected_spend"]).where(features["purchase_days"] > 0)
        values: dict[str, Any] = {
            "customer_id": features["customer_id"],
            "as_of": as_of.isoformat(),
            "horizon_days": model.horizon_days,
            "churn_risk": band(predicted["p_churn"].to_numpy(), (1 / 3, 2 / 3), RISKS),
            "historic_spend": features["spend_sum"],
            "last_order_date": _dates(as_of, -features["days_since_last_order"]),
            "next_order_date": _dates(as_of, predicted["next_order_days"] - 1),
            "value_tier": tier,
            **{name: said[name] for name in names},
            "model_version": self.version,
            "run_id": self.run_id,
            "usual_gap_days": features["gap_mean"],
        }
        if ACQUISITION_SOURCE.name in features:
            values[ACQUISITION_SOURCE.name] = features[ACQUISITION_SOURCE.name]
        for one in attributes:
            held = features[one.name]
            values[attribute_column(one).name] = _dates(as_of, -held) if one.kind == "date" else held
        known = {name: predicted[name] for name in predicted.columns} | {
            name: held for name, held in values.items() if not isinstance(held, str)
        }
        values["segment"] = segment(features, known, model.thresholds, model.config.segments)

        return as_written({**predicted, **values}, columns, features.index).assign(at_risk=at_risk)

    def reasons(self, features: pd.DataFrame, as_of: date, log_from: date | None = None) -> pd.DataFrame:
        """Return the reasons of each customer of a feature table, same index; the first is never empty.

        `REASON_COLUMNS`; with ``value_reasons`` also those of `clvml.scores.columns.VALUE_REASONS`. For customers
        without a purchase day, the first reason names refunds or free items. Where no influence is large enough, or
        none can be put into words, it says so. ``as_of`` and ``log_from`` are as in `rows`.
        """
        bought = (features["purchase_days"] > 0).to_numpy()
        customers = features if bought.all() else features[bought]
        influences = contributions(self.model, self.reference, customers, as_of, log_from, self.value_reasons)
        refunded = (features["refund_sum"] > 0).to_numpy()
        nothing = np.where(refunded, "nothing but refunds so far", "nothing but free items so far")
        told = []
        for phi, typical, forecast, prefix in zip(
            influences,
            (self.reference.typical("churn"), self.reference.typical("value")),
            ("churn risk", "expected spend"),
            ("", "value_"),
            strict=False,
        ):
            said = pd.DataFrame("", index=features.index, columns=list(REASON_COLUMNS), dtype="str")
            if bought.any():
                said[bought] = reasons(
                    self.model.read(customers),
                    phi,
                    self.model.features,
                    top=len(REASONS),
                    typical=typical,
                    given=self.model.trees.given,
                    forecast=forecast,
                ).to_numpy()
            said["reason_1"] = np.where(bought, said["reason_1"].replace("", NO_REASON), nothing)
            told.append(said.add_prefix(prefix))
        return pd.concat(told, axis="columns")


def customer_days(log: PurchaseLog) -> CustomerDays:
    """Return the purchase days of a log."""
    optional = [name for name in log.columns if name in OPTIONAL_COLUMNS]
    return CustomerDays(log.connection, log.table, optional, log.attributes, log.events)


def _dates(start: date, days: pd.Series) -> NDArray[Any]:
    """Return ISO dates ``days`` after ``start``, shape (n,); None where days are missing."""
    # Formatting a date is slow, so that each distinct one is formatted once. The code -1 of a missing one is the last.
    codes, moves = pd.factorize(days)
    moved = np.datetime64(start, "D") + np.asarray(moves).astype("timedelta64[D]")
    return np.asarray([*np.datetime_as_string(moved), None], dtype=object)[codes]


def _check_scores(scores: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise ValueError where a table with these columns of numbers breaks the contract of the scored file."""
    numbers = scores[list(names)].astype(float)
    finite = numbers.abs() < np.inf
    forecasts = [name for name in names if name.startswith("expected_")]
    over_time = [f"expected_spend_{days}d" for days in HORIZONS]
    horizon = numbers["horizon_days"]
    ends = [name for name in ("expected_spend_low", "expected_spend", "expected_spend_high") if name in names]
    interval = numbers[ends]
    # Money is rounded to cents.
    cent = 0.011
    wrong = {
        "a number is missing or not finite": ~finite.all(axis="columns"),
        "p_churn is not between 0 and 1": ~numbers["p_churn"].between(0, 1),
        "a forecast is negative": (numbers[forecasts] < 0).any(axis="columns"),
        "horizon_days is not a number of days": (horizon < 1) | (horizon != horizon.round()),
        "expected_spend is outside its interval": (interval.diff(axis="columns") < -cent).any(axis="columns"),
        "expected_spend falls as the horizon grows": (numbers[over_time].diff(axis="columns") < -cent).any(
            axis="columns"
        ),
        "customer_id is missing": scores["customer_id"].isna(),
        # A model that was fitted alone knows no tiers, and then nobody has one.
        "value_tier is unknown": ~scores["value_tier"].isin(TIERS) & bool(scores["value_tier"].notna().any()),
    }
    for what, rows in wrong.items():
        if rows.any():
            raise ValueError(f"{what}, for example for customer '{scores.loc[rows, 'customer_id'].iloc[0]}'")
    as_of = date.fromisoformat(str(scores["as_of"].iloc[0]))
    # Raises OverflowError where a horizon ends after the year 9999.
    as_of + timedelta(days=int(max(horizon.iloc[0], *HORIZONS)))
    for text in scores["last_order_date"].dropna().unique() if "last_order_date" in scores else ():
        if date.fromisoformat(str(text)) >= as_of:
            raise ValueError(f"last_order_date {text} is not before as_of {as_of}")


def read_scores(path: Path) -> pd.DataFrame:
    """Return a scored file (.csv or .parquet) as it was before it was written: ids as text, missing as missing.

    A file of subscriptions gets a ``segment``: the plan.

    Raises
    ------
    InputError
        The file does not exist, is not a scored file, or mixes dates or horizons.
    """
    scores = read_own_table(path, "scored file", "clvml score", read_scored_csv)
    known = SUBSCRIBERS if is_of_subscribers(scores.columns) else SCORED
    columns = [column for column in known if column.name not in FURTHER]
    missing = [column.name for column in columns if column.name not in scores]
    if missing or scores.empty:
        lacks = f"lacks {', '.join(missing[:5])}" if missing else "holds no customer"
        raise InputError(f"'{path}' is not a scored file: it {lacks}; give a file that `clvml score` wrote")
    for name in ("as_of", "horizon_days", "model_version", "run_id"):
        if (scores[name].astype("string") != str(scores[name].iloc[0])).any():
            raise InputError(f"scored file '{path}' mixes several {name}; give the file of one scoring")
    numbers = [column.name for column in columns if column.kind != "text"]
    try:
        for name in numbers:
            scores[name] = pd.to_numeric(scores[name])
        _check_scores(scores, numbers)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"scored file '{path}' was changed since it was written ({error}); give it as `clvml score` wrote it"
        ) from None
    twice = scores.loc[scores["customer_id"].duplicated(), "customer_id"]
    if len(twice):
        raise InputError(
            f"scored file '{path}' holds customer '{twice.iloc[0]}' twice; give the file of one scoring"
        )
    return with_segment(scores)


def with_segment(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a scored table with a ``segment``, which is the plan for subscribers."""
    return scores.assign(segment=scores[PLAN.name]) if is_of_subscribers(scores.columns) else scores


def scored_table(scores: pd.DataFrame | str | Path) -> pd.DataFrame:
    """Return a scored table, or that of a scored file, with a ``segment``."""
    return with_segment(scores) if isinstance(scores, pd.DataFrame) else read_scores(Path(scores))
