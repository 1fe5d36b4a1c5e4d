"""What features add to the churn risk of a subscriber, and the base, are its logit."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from tests.models.test_contract import AS_OF, configuration, simulated

from clvml.explain.of_subscribers import check_inputs, contributions, explained, fit_reference
from clvml.explain.reference import Reference
from clvml.models.contract import fit_contract_model


@pytest.fixture(scope="module")
def fitted():
    table = simulated()
    model = fit_contract_model(table, AS_OF, configuration())
    features = model.features(table, AS_OF)
    return model, features, fit_reference(model, features)


@pytest.mark.parametrize("parts", [{"share": 1.0}, {"share": 0.25}, {"trees": None}])
def test_contributions_and_base_are_the_forecast(fitted, parts):
    model, features, reference = fitted
    model = replace(model, **parts)
    check_inputs(reference.inputs)
    phi = contributions(model, reference, features)
    assert phi.shape == (len(features), len(explained(model)) + 1)
    np.testing.assert_allclose(phi.sum(axis=1), logit(model.predict(features)["p_churn"]), atol=1e-6)
    assert np.ptp(phi[:, -1]) < 1e-4
    if model.trees is None:
        np.testing.assert_allclose(phi[:, :-1].mean(axis=0), 0.0, atol=1e-9)
    # Who has stayed for long is likelier to stay.
    names = [feature.name for feature in explained(model)]
    age = phi[:, names.index("current_days")]
    assert np.corrcoef(age, features["current_days"])[0, 1] < -0.7


def test_nobody_is_explained_without_a_reference(fitted):
    model, features, _ = fitted
    assert not contributions(model, Reference(), features).any()


@pytest.mark.parametrize(
    "wrong", [{"plan": 1.0}, {"period_days": 0.0}, {"current_days": -1.0}, {"more": 1.0}]
)
def test_inputs_of_no_subscriber_are_refused(wrong):
    with pytest.raises(ValueError, match="inputs"):
        check_inputs({"plan": "a", "period_days": 30.0, "current_days": 5.0, **wrong})
