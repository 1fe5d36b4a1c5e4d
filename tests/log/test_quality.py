"""The quality report and the verdict on the history."""

import json
from datetime import date, timedelta

import pytest

from clvml.log import Gap

# Worked out by hand: ann buys on 1, 3 and 11 January (twice on the 3rd), returns on the 12th; bob buys once,
# on the 2nd; cid only gets something free and returns it.
LOG = """customer,day,amount,order
ann,2024-01-01,10,1
bob,2024-01-02,20,2
ann,2024-01-03,30,3
ann,2024-01-03,5,3
ann,2024-01-11,40,4
ann,2024-01-12,-15,5
cid,2024-01-12,0,6
cid,2024-01-13,-6,7
,2024-01-13,8,8
"""


@pytest.fixture
def report(read):
    return read(LOG, columns={"order_id": "order"}, as_of=date(2024, 2, 1), currency="EUR").quality


def test_figures(report):
    assert (report.rows_in, report.rows_out) == (9, 8)
    assert (report.money_in, report.money_out) == (92.0, 84.0)
    assert (report.customers, report.orders, report.purchase_days) == (3, 7, 4)
    assert (report.first_day, report.last_day) == (date(2024, 1, 1), date(2024, 1, 13))
    assert report.freshness_days == 19
    assert report.one_time_share == 0.5
    assert report.refund_line_share == 2 / 8
    assert report.refund_money_share == 21 / 105
    assert report.median_days_between == 5.0
    assert report.gaps == ()


def test_to_dict_is_json(report):
    figures = report.to_dict()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["first_day"] == "2024-01-01"
    assert figures["reasons"][0] == {
        "reason": "missing customer id",
        "treatment": "rejected",
        "rows": 1,
        "money": 8.0,
        "unread": 0,
    }


def test_to_text(report):
    assert report.to_text().splitlines() == [
        "read                  9 lines              92.00 EUR",
        "  left out            1 line                8.00 EUR: missing customer id (rejected)",
        "  kept                2 lines             -21.00 EUR: refund",
        "log                   8 lines              84.00 EUR",
        "read as     order_date %Y-%m-%d, amount 1234.56",
        "customers   3, 7 orders, 4 purchase days",
        "days        2024-01-01 to 2024-01-13 (UTC), the last line is 19 days old",
        "one-time    50.0% of customers bought on one day only",
        "rhythm      5 days between purchases (median)",
        "refunds     25.0% of lines, 20.0% of positive money",
        "warning     too few repeat purchases to learn from (2, of 3 customers), so forecasts are hardly more",
        "            than a guess; give more history [few-returns]",
    ]


def test_a_log_of_refunds_only_has_no_shares(read):
    report = read("customer,day,amount\nann,2024-01-01,-1\n").quality
    assert report.one_time_share is None
    assert report.refund_money_share is None
    assert report.median_days_between is None
    assert report.orders is None
    assert report.purchase_days == 0
    json.dumps(report.to_dict(), allow_nan=False)
    report.to_text()


def test_gaps(read):
    start = date(2024, 1, 1)
    offsets = [0, 1, 2, 3, 11, 12, 21, 22, 23, 53]
    text = "customer,day,amount\n" + "".join(
        f"ann,{start + timedelta(days=offset)},1\n" for offset in offsets
    )
    report = read(text).quality
    # 7 empty days (offsets 4-10) are not longer than a week, 8 (13-20) are.
    assert report.gaps == (
        Gap(start + timedelta(days=24), start + timedelta(days=52), 29),
        Gap(start + timedelta(days=13), start + timedelta(days=20), 8),
    )
    assert "gap         no line from 2024-01-25 to 2024-02-22 (29 days)" in report.to_text()


def test_gaps_are_measured_by_the_usual_step(read):
    start = date(2023, 1, 1)
    offsets = [0, 7, 14, 21, 57, 94]
    text = "customer,day,amount\n" + "".join(
        f"ann,{start + timedelta(days=offset)},1\n" for offset in offsets
    )
    assert [gap.days for gap in read(text).quality.gaps] == [36]
