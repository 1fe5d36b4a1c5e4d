"""Payments of subscriptions in the place of purchases are told."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from clvml.config import DataConfig
from clvml.log import read_purchase_log

DATA = DataConfig(source="x", columns={"customer_id": "who", "order_date": "day", "amount": "paid"})


def told(table: pd.DataFrame) -> str:
    log = read_purchase_log(DATA, source=table, now=datetime(2025, 1, 1), hints=True)
    return " ".join(f.text for f in log.quality.warnings if f.code == "looks-like-payments")


def payments(prices: np.ndarray, unit: str = "months") -> pd.DataFrame:
    first = pd.Timestamp("2023-01-05")
    return pd.DataFrame(
        [
            {
                "who": f"c{customer}",
                "day": str((first + pd.DateOffset(**{unit: number})).date()),
                "paid": price,
            }
            for customer, row in enumerate(prices)
            for number, price in enumerate(row)
        ]
    )


def test_monthly_payments_of_one_price_are_told_with_the_remedy():
    assert "100% of the purchases after a first" in (text := told(payments(np.full((20, 12), 9.9))))
    assert "mode: subscription with data.payments" in text


@pytest.mark.parametrize(
    ("prices", "unit"),
    [
        # Monthly baskets differ.
        (np.tile([10.0, 20.0], 120).reshape(20, 12), "months"),
        # The weekly loaf.
        (np.full((20, 12), 9.9), "weeks"),
        # Too few to tell.
        (np.full((2, 12), 9.9), "months"),
    ],
)
def test_regular_or_equal_purchases_alone_are_none(prices, unit):
    assert told(payments(prices, unit)) == ""
