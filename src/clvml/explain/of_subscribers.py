"""What each feature adds to the churn risk of a subscriber, on the logit: exact, as of customers (`of_customers`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.customers import Feature
from clvml.customers.subscription_snapshots import explained_features
from clvml.explain.propagation import shapley
from clvml.explain.reference import Reference, find_typical
from clvml.explain.treeshap import shap_values
from clvml.models.boosting import logit_of
from clvml.models.contract import ContractModel, matrix
from clvml.models.survival import prior_p_churn

Array = NDArray[np.float64]

# What the prior reads, by the feature that says it.
INPUTS = {"current_days": "current_days", "period_days": "period_days", "plan_left_90d": "plan"}


def explained(model: ContractModel) -> list[Feature]:
    """Return the features that reasons are made of."""
    return explained_features(model.config.data.early_columns)


def fit_reference(model: ContractModel, features: pd.DataFrame) -> Reference:
    """Return the median age of a subscription to the commonest plan, and what its inputs add on the mean.

    No subscriber is typical of the prior, which knows days on which many leave: what it adds is told from the mean.
    """
    plan = str(features["plan"].mode().iloc[0])
    days = features.loc[features["plan"].astype(str) == plan, ["current_days", "period_days"]].median()
    reference = Reference(inputs={"plan": plan, **{str(name): float(value) for name, value in days.items()}})
    means = _of_prior(model, reference, features).mean(axis=1)
    reference = reference.model_copy(update={"means": dict(zip(INPUTS, map(float, means), strict=True))})
    phi = contributions(model, reference, features)
    return reference.model_copy(update={"churn": find_typical(features, phi, explained(model))})


def check_inputs(inputs: Mapping[str, float | str]) -> None:
    """Raise ValueError where these cannot be those of a reference subscriber."""
    days, period = inputs.get("current_days"), inputs.get("period_days")
    if (
        set(inputs) != set(INPUTS.values())
        or not isinstance(inputs["plan"], str)
        or not (isinstance(days, float) and 0 <= days <= 1e5)
        or not (isinstance(period, float) and 1e-3 <= period <= 1e6)
    ):
        raise ValueError("inputs are those of no subscriber")


def contributions(model: ContractModel, reference: Reference, features: pd.DataFrame) -> Array:
    """Return what each of `explained` adds to the logit of P(churn), then the base, shape (n, k + 1).

    A row adds up to the logit. What trees read of a plan, and of all plans, counts with what lately became of the
    subscribers of the customer's plan.
    """
    place = {feature.name: number for number, feature in enumerate(explained(model))}
    phi = np.zeros((len(place) + 1, len(features)))
    if not reference.inputs or features.empty:
        return phi.T
    for name, values in zip(INPUTS, _of_prior(model, reference, features), strict=True):
        phi[place[name]] += values - reference.means.get(name, 0.0)
    if model.trees is not None:
        # Boosted from the prior, which therefore counts whole, and what the trees change of it by their share.
        rows = matrix(features, model.plans)
        shap = shap_values(model.trees.booster_, rows.to_numpy(np.float32)).T
        for name, values in zip(rows.columns, shap, strict=False):
            phi[place.get(name, place["plan_left_90d"])] += model.share * values
    trees, start = model.logits(features)
    phi[-1] = model.share * trees + (1.0 - model.share) * start - phi.sum(axis=0)
    return phi.T


def _of_prior(model: ContractModel, reference: Reference, features: pd.DataFrame) -> Array:
    """Return what the inputs add to the logit of the prior, shape (len(INPUTS), n)."""
    return shapley(
        features[list(INPUTS.values())].reset_index(drop=True),
        reference.inputs,
        [(name,) for name in INPUTS.values()],
        lambda mix, _: {"logit": logit_of(prior_p_churn(model.hazards, mix, model.horizon_days))},
    )["logit"]
