"""The scored file of subscriptions: one row per subscribed customer, best value first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from clvml.customers.subscription_snapshots import known_at, subscription_revenue
from clvml.errors import InputError
from clvml.evaluation.evidence import read_evidence, write_evidence
from clvml.explain import Reference, reasons
from clvml.explain.of_subscribers import check_inputs, contributions, explained
from clvml.log.payments import read_subscription_log
from clvml.models.contract import ContractModel
from clvml.models.model_file import stored_mode
from clvml.models.outlook import HORIZONS
from clvml.scores.columns import REASON_COLUMNS, REASONS, SUBSCRIBERS, as_written
from clvml.scores.scorer import NO_REASON, RISKS, Scorer
from clvml.scores.tiers import band, value_tier
from clvml.storage.files import write_table


@dataclass(frozen=True)
class SubscriptionScorer:
    """A trained model of subscriptions with its explanation; `clvml.scores.scorer.Scorer` is that of purchases."""

    model: ContractModel
    reference: Reference
    version: str = ""
    run_id: str = ""
    evidence: dict[str, Any] | None = None

    @classmethod
    def load(cls, directory: Path, version: str = "", run_id: str = "") -> SubscriptionScorer:
        """Read a saved model and its explanation.

        Raises
        ------
        InputError
            The directory holds no model of subscriptions.
        """
        model = ContractModel.load(directory)
        reference = Reference.load(directory, explained(model), check_inputs)
        return cls(model, reference, version, run_id, read_evidence(directory))

    def save(self, directory: Path) -> None:
        """Write the model and its explanation into an existing directory: JSON only."""
        # The model keeps a digest of every file.
        self.reference.save(directory)
        write_evidence(self.evidence, directory)
        self.model.save(directory)

    def with_value_reasons(self) -> Scorer:
        """Raise InputError: only purchases have reasons for the expected spend."""
        raise InputError(
            "reasons for the expected spend are given with purchase logs only; leave them out with mode: subscription"
        )

    def score(
        self, subscriptions: pd.DataFrame, as_of: date, explain: Literal["all", "none"] | int = "all"
    ) -> SubscriberScores:
        """Score every customer who is subscribed at ``as_of``.

        Parameters
        ----------
        subscriptions : DataFrame
            `SubscriptionLog.frame`.
        as_of : date
            The first day not observed.
        explain : "all", "none" or int
            Whose reasons to give; a number: those of so many customers with most value at risk
            (``p_churn * expected_spend``).

        Raises
        ------
        InputError
            Nobody is subscribed.
        """
        model = self.model
        features = model.features(subscriptions, as_of)
        predicted = model.predict(features)
        chosen = features.index if explain == "all" else features.index[:0]
        if isinstance(explain, int):
            at_risk = (predicted["p_churn"] * predicted["expected_spend"]).sort_values(
                ascending=False, kind="stable"
            )
            chosen = at_risk.index[:explain]
        said = self._reasons(features.loc[chosen]).reindex(features.index)
        by_horizon = model.revenue(features, predicted["p_churn"], HORIZONS)
        first = subscriptions["start"].min().date()
        so_far = subscription_revenue(known_at(subscriptions, as_of), first, (as_of - first).days)
        values: dict[str, Any] = {
            **{name: features[name] for name in ("customer_id", "plan", "monthly_price")},
            "tenure_days": features["tenure_days"].astype("int64"),
            "as_of": as_of.isoformat(),
            "horizon_days": model.horizon_days,
            "historic_spend": features["customer_id"].map(so_far).fillna(0.0),
            **{
                f"expected_spend_{days}d": pd.Series(by_horizon[:, place], index=features.index)
                for place, days in enumerate(HORIZONS)
            },
            **{name: predicted[name] for name in predicted.columns},
            "churn_risk": band(predicted["p_churn"].to_numpy(), (1 / 3, 2 / 3), RISKS),
            "value_tier": value_tier(predicted["clv"].to_numpy(), model.tiers),
            **{name: said[name].replace("", None) for name in REASON_COLUMNS},
            "model_version": self.version,
            "run_id": self.run_id,
        }
        rows = as_written(values, SUBSCRIBERS, features.index)
        ranked = rows.sort_values(["clv", "customer_id"], ascending=[False, True], kind="stable")
        return SubscriberScores(ranked.reset_index(drop=True))

    def score_frame(self, frame: pd.DataFrame, as_of: date | None) -> pd.DataFrame:
        """Score a table of subscriptions with the columns of the training data, as the MLflow model does.

        The default date is the day after the last subscription began, or after the last payment.
        """
        data = self.model.config.data
        log = read_subscription_log(data, frame, as_of)
        return self.score(log.frame, as_of or log.next_day).frame

    def _reasons(self, features: pd.DataFrame) -> pd.DataFrame:
        said = reasons(
            features,
            contributions(self.model, self.reference, features),
            explained(self.model),
            top=len(REASONS),
            typical=self.reference.typical("churn"),
        )
        said["reason_1"] = said["reason_1"].replace("", NO_REASON)
        return said


@dataclass(frozen=True)
class SubscriberScores:
    """The scored rows, best value first, as `clvml.scores.batches.ScoredTable` holds those of purchases.

    Attributes
    ----------
    frame : DataFrame
        The columns `clvml.scores.columns.SUBSCRIBERS`.
    overview : dict or None
        Summary that is written beside the file (`clvml.scores.subscriber_overview`).
    """

    frame: pd.DataFrame
    overview: dict[str, Any] | None = None

    @property
    def customers(self) -> int:
        """How many rows there are."""
        return len(self.frame)

    def total(self, column: str) -> float:
        """Return the sum of a column of money."""
        return round(float(self.frame[column].sum()), 2)

    def plans(self) -> pd.DataFrame:
        """Return the sums over each plan, the most valuable first.

        Columns ``plan``, ``customers``, ``p_churn`` (mean), ``monthly_price``, ``expected_spend``, ``clv`` [currency].
        """
        by = self.frame.groupby("plan")
        sums = by[["monthly_price", "expected_spend", "clv"]].sum().round(2)
        table = by.size().to_frame("customers").assign(p_churn=by["p_churn"].mean().round(6)).join(sums)
        return table.sort_values(["clv", "plan"], ascending=[False, True]).reset_index()

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield one frame with all rows."""
        yield self.frame

    def write(self, path: Path) -> None:
        """Write the rows as CSV or Parquet."""
        write_table(self.frame, path)


def load_scorer(directory: Path, version: str = "", run_id: str = "") -> Scorer | SubscriptionScorer:
    """Return the scorer of a saved model, of purchases or of subscriptions.

    Raises
    ------
    InputError
        The directory holds no model of clvml.
    """
    kind = SubscriptionScorer if stored_mode(directory) == "subscription" else Scorer
    return kind.load(directory, version, run_id)
