"""Contribution of each feature to the logit of a subscriber's churn risk, exact as in `of_customers`."""

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
from clvml.threads import one_blas_thread

Array = NDArray[np.float64]

# The inputs of the prior, by the feature that a reason names.
INPUTS = {"current_days": "current_days", "period_days": "period_days", "plan_left_90d": "plan"}


def explained(model: ContractModel) -> list[Feature]:
    """Return the features that reasons are made of."""
    return explained_features(model.config.data.early_columns)


@one_blas_thread
def fit_reference(model: ContractModel, features: pd.DataFrame) -> Reference:
    """Return the median age of a subscription to the commonest plan, and the mean contributions of the prior's inputs.

    On some days of age many subscribers leave, so that no single subscriber is typical: contributions of the prior are
    taken relative to their mean.
    """
    plan = str(features["plan"].mode().iloc[0])
    days = features.loc[features["plan"].astype(str) == plan, ["current_days", "period_days"]].median()
    reference = Reference(inputs={"plan": plan, **{str(name): float(value) for name, value in days.items()}})
    means = _of_prior(model, reference, features).mean(axis=1)
    said = dict(zip(INPUTS, map(float, means), strict=True))
    reference = Reference(inputs=reference.inputs, means=said)
    phi = contributions(model, reference, features)
    return Reference(inputs=reference.inputs, means=said, churn=find_typical(features, phi, explained(model)))


def check_inputs(inputs: Mapping[str, float | str]) -> None:
    """Raise ValueError where the inputs cannot belong to a reference subscriber."""
    days, period = inputs.get("current_days"), inputs.get("period_days")
    if (
        set(inputs) != set(INPUTS.values())
        or not isinstance(inputs["plan"], str)
        or not (isinstance(days, float) and 0 <= days <= 1e6)
        or not (isinstance(period, float) and 1e-3 <= period <= 1e6)
    ):
        raise ValueError("inputs are impossible for a subscriber")


@one_blas_thread
def contributions(model: ContractModel, reference: Reference, features: pd.DataFrame) -> Array:
    """Return the contribution of each of `explained` to the logit of P(churn), then the base, shape (n, k + 1).

    A row adds up to the logit. Contributions of columns of trees that `explained` does not name, such as those of the
    plans, are added to that of ``plan_left_90d``.
    """
    place = {feature.name: number for number, feature in enumerate(explained(model))}
    phi = np.zeros((len(place) + 1, len(features)))
    if not reference.inputs or features.empty:
        return phi.T
    for name, values in zip(INPUTS, _of_prior(model, reference, features), strict=True):
        phi[place[name]] += values - reference.means.get(name, 0.0)
    if model.trees is not None:
        # Trees are boosted from the prior: the prior counts in full, and their change of it by their share.
        rows = matrix(features, model.plans)
        shap = shap_values(model.trees.booster_, rows.to_numpy(np.float32)).T
        for name, values in zip(rows.columns, shap, strict=False):
            phi[place.get(name, place["plan_left_90d"])] += model.share * values
    trees, start = model.logits(features)
    phi[-1] = model.share * trees + (1.0 - model.share) * start - phi.sum(axis=0)
    return phi.T


def _of_prior(model: ContractModel, reference: Reference, features: pd.DataFrame) -> Array:
    """Return the contributions of the inputs to the logit of the prior, shape (len(INPUTS), n)."""
    return shapley(
        features[list(INPUTS.values())].reset_index(drop=True),
        reference.inputs,
        [(name,) for name in INPUTS.values()],
        lambda mix, _: {"logit": logit_of(prior_p_churn(model.hazards, mix, model.horizon_days))},
    )["logit"]
