"""The log of a module's `shop`, read as its `config_of` says, and a model that is fitted on it."""

from datetime import UTC, datetime

import pytest

from clvml import workflows


@pytest.fixture(scope="module")
def prepared(request, shop):
    return workflows.prepare(request.module.config_of(shop).data, datetime(2025, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def fitted(request, shop, prepared):
    return workflows.fit(workflows.days_of(prepared.log), prepared.as_of, request.module.config_of(shop))
