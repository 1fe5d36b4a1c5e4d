"""The survival of subscriptions by plan and day, by hand and on contracts that end at known rates."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvml.evaluation.sbg import ShiftedBetaGeometric
from clvml.models.survival import LEAST_PLAN, fit_hazards, prior_p_churn

AS_OF = date(2022, 1, 1)


def table_of(ran: np.ndarray, ended: np.ndarray, plan: object = "p", period: float = 30.0) -> pd.DataFrame:
    """Return subscriptions that ran so many days, and then ended, or still run on the day before `AS_OF`."""
    after = np.where(ended, 10, 0)
    start = pd.Timestamp(AS_OF) - pd.to_timedelta(ran + after, unit="D")
    end = (start + pd.to_timedelta(ran, unit="D")).where(ended)
    return pd.DataFrame({"start": start, "end": end, "plan": plan, "period_days": period})


def asked(age: list[int], plan: str = "p", period: float = 30.0) -> pd.DataFrame:
    return pd.DataFrame({"current_days": np.array(age, dtype=float), "plan": plan, "period_days": period})


def test_hazards_by_hand():
    """Of 1000, 300 end on day 1 and 100 on day 2; 200 have been seen for two days only."""
    ran = np.repeat([1, 2, 2, 3], [300, 100, 200, 400])
    ended = np.repeat([True, True, False, False], [300, 100, 200, 400])
    hazards = fit_hazards(table_of(ran, ended), AS_OF)
    usual = 400 / (1000 + 1000 + 500)
    whole = [200 * usual / 1200, (300 + 200 * usual) / 1200, (100 + 200 * usual) / 700]
    np.testing.assert_allclose(hazards[30.0, ""], whole, atol=1e-9)
    own = [
        (died + 200 * to) / (n + 200)
        for died, n, to in zip([0, 300, 100], [1000, 1000, 500], whole, strict=True)
    ]
    np.testing.assert_allclose(hazards[30.0, "p"], own, atol=1e-9)
    p = prior_p_churn(hazards, asked([1, 2]), 1)
    np.testing.assert_allclose(p, own[1:], atol=1e-9)
    np.testing.assert_allclose(
        prior_p_churn(hazards, asked([1]), 2), 1 - (1 - own[1]) * (1 - own[2]), atol=1e-9
    )


def test_days_that_nobody_has_reached_are_those_one_period_before():
    """Every fourth ends 31 days after its start, a day after the renewal; nobody has been seen for the next."""
    ran, ended = np.full(4000, 40), np.arange(4000) % 4 == 0
    ran[ended] = 31
    hazards = fit_hazards(table_of(ran, ended), AS_OF)
    before, at, after = prior_p_churn(hazards, asked([41, 55, 65]), 10)
    assert before < 0.05
    assert after < 0.05
    assert at == pytest.approx(0.25, abs=0.03)
    yearly = prior_p_churn(hazards, asked([5], "other", 365.25), 30)
    np.testing.assert_array_equal(yearly, prior_p_churn(hazards, asked([5], ""), 30))


def test_rates_of_contracts_that_leave_at_renewals_are_recovered():
    """Beta(1, 9) over customers; of the shifted-beta-geometric truth at ages that are seen often."""
    chance = np.random.default_rng(0)
    renewals = chance.geometric(chance.beta(1.0, 9.0, 40_000))
    seen = chance.integers(1, 400, len(renewals))
    ended = 30 * renewals + 10 < seen
    hazards = fit_hazards(table_of(np.where(ended, 30 * renewals, seen), ended), AS_OF)
    truth = ShiftedBetaGeometric(1.0, 9.0)
    for months in (0, 2, 6):
        p = prior_p_churn(hazards, asked([30 * months + 15]), 90)
        assert p == pytest.approx(truth.p_end(months, 3), rel=0.06)


def test_a_plan_of_its_own_leaves_the_others_behind_and_a_small_one_does_not():
    chance = np.random.default_rng(1)
    plan = np.repeat(["large", "new", "small"], [5000, 2 * LEAST_PLAN, 50])
    ran = chance.integers(20, 300, len(plan))
    ended = chance.random(len(plan)) < np.where(plan == "large", 0.2, 0.8)
    hazards = fit_hazards(table_of(ran, ended, plan), AS_OF)
    large, new, small = (prior_p_churn(hazards, asked([100], name), 60) for name in ("large", "new", "small"))
    assert large < small < new
    assert {name for _, name in hazards} == {"", "large", "new"}


def test_nothing_after_the_cutoff_is_seen():
    chance = np.random.default_rng(2)
    table = table_of(chance.integers(1, 300, 3000), chance.random(3000) < 0.6)
    cutoff = AS_OF - timedelta(days=100)
    before = table[table["start"] < pd.Timestamp(cutoff)]
    blind = before.assign(end=before["end"].where(before["end"] < pd.Timestamp(cutoff)))
    for (key, seen), other in zip(
        fit_hazards(table, cutoff).items(), fit_hazards(blind, cutoff).values(), strict=True
    ):
        np.testing.assert_array_equal(seen, other, err_msg=str(key))
