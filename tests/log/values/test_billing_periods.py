"""Billing periods in the words of exports."""

from __future__ import annotations

import pandas as pd
import pytest

from clvml.log.values.billing_periods import PERIODS, period_days


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("month", PERIODS["month"]),
        ("Monatlich", PERIODS["month"]),
        ("tous les 3 mois", 3 * PERIODS["month"]),
        ("interval_month", PERIODS["month"]),
        ("1 Monat(e)", PERIODS["month"]),
        ("12 Monate", 12 * PERIODS["month"]),
        ("Vierteljährlich", PERIODS["quarter"]),
        ("half-yearly", PERIODS["year"] / 2),
        ("semestriel", PERIODS["year"] / 2),
        ("per year", PERIODS["year"]),
        ("P1Y", PERIODS["year"]),
        ("every 2 weeks", 14.0),
        ("30", 30.0),
        ("30.0", 30.0),
        ("-5", -5.0),
    ],
)
def test_periods_are_read_in_words_and_days(text, days):
    assert period_days(pd.Series([text])).item() == pytest.approx(days)


@pytest.mark.parametrize(
    "text", ["biweekly", "month/year", "1 month 3", "half", "every", "1e3", "inf", "now"]
)
def test_what_is_no_single_period_is_none(text):
    assert pd.isna(period_days(pd.Series([text])).item())
