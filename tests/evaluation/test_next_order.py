"""Next orders: the hand-worked example is in the docstring; here, where they come from."""

from datetime import date

import numpy as np
import pandas as pd

from clvml.evaluation.next_order import next_order_errors


def test_without_any_order_nothing_is_measured():
    days = {"next_order_days": [3.0], "usual_days": [4.0], "actual_next_days": [np.nan]}
    found = next_order_errors(pd.DataFrame(days))
    assert found.customers == 0
    assert np.isnan([found.error, found.usual_error]).all()


def test_the_next_purchase_day_is_counted_from_the_cutoff(build_days):
    lines = pd.DataFrame(
        [
            ("at once", "2024-03-01", 5.0),
            ("at once", "2024-03-09", 5.0),
            ("later", "2024-02-20", 5.0),
            ("later", "2024-03-05", -5.0),
            ("later", "2024-03-11", 5.0),
            ("never", "2024-02-29", 5.0),
        ],
        columns=["customer_id", "order_day", "amount"],
    )
    assert build_days(lines).days_to_next(date(2024, 3, 1)).to_dict() == {"at once": 1, "later": 11}
