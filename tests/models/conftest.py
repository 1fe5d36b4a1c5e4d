"""One simulated shop, and the model of it."""

import pandas as pd
import pytest

from clvml.models.customer_model import fit_customer_model

from .shops import END, config, customer_days, log_of, simulate_log


@pytest.fixture(scope="session")
def log():
    refunds_only = log_of(["z1", "z2"], [300, 400], [-9.0, -20.0])
    return pd.concat([simulate_log(1500, 730, seed=1), refunds_only], ignore_index=True)


@pytest.fixture(scope="session")
def days(log):
    return customer_days(log)


@pytest.fixture(scope="session")
def model(days):
    return fit_customer_model(days, END, config())


@pytest.fixture(scope="session")
def features(days):
    return days.features(END, 90)


@pytest.fixture(scope="session")
def predicted(model, features):
    return model.predict(features, END)
