"""Subscriptions found in recurring payments, by hand and against a table of which they are known."""

from __future__ import annotations

import re
from datetime import date

import pandas as pd
import pytest

from clvml.config import parse_any_config
from clvml.errors import InputError
from clvml.log.payments import EXTRA, NO_MONEY, read_payments, read_subscription_log
from clvml.log.subscriptions import SubscriptionLog
from clvml.log.values.billing_periods import PERIODS

COLUMNS = {"customer_id": "who", "date": "paid", "amount": "money", "plan": "plan"}


def paid(who: str, *days: str, money: float | str = 10.0, plan: str | None = "basic") -> pd.DataFrame:
    return pd.DataFrame({"who": who, "paid": list(days), "money": money, "plan": plan})


def by_month(who: str, first: str, number: int, **more: float | str) -> pd.DataFrame:
    days = [(pd.Timestamp(first) + pd.DateOffset(months=month)).date() for month in range(number)]
    return paid(who, *map(str, days), **more)


def read(*tables: pd.DataFrame, grace_days: int = 5, as_of: date | None = None) -> SubscriptionLog:
    return read_payments(pd.concat(tables), COLUMNS, grace_days, as_of)


def rows(log: SubscriptionLog) -> list[tuple[object, ...]]:
    told = log.frame.assign(
        start=log.frame["start"].dt.strftime("%m-%d"), end=log.frame["end"].dt.strftime("%m-%d").fillna("")
    )
    return list(told[["customer_id", "start", "end", "plan", "price"]].itertuples(index=False, name=None))


def test_a_subscription_ends_when_the_next_payment_is_late() -> None:
    log = read(
        by_month("stays", "2024-01-31", 6), by_month("left", "2024-01-10", 3), paid("new", "2024-06-20")
    )
    # The last payment of 10 March, 31 days of a month, 5 of grace.
    assert rows(log) == [
        ("left", "01-10", "04-15", "basic", 10.0),
        ("new", "06-20", "", "basic", 10.0),
        ("stays", "01-31", "", "basic", 10.0),
    ]
    assert set(log.frame["period_days"]) == {PERIODS["month"]}
    assert log.next_day == date(2024, 7, 1)
    assert log.quality.found == "3 subscriptions, billed 3 by the month"
    assert log.quality.money_in == log.quality.money_out == 100.0


@pytest.mark.parametrize(("as_of", "end"), [("2024-04-15", ""), ("2024-04-16", "04-15"), ("2024-03-20", "")])
def test_an_end_is_known_when_the_payment_is_overdue_on_that_day(as_of: str, end: str) -> None:
    log = read(
        by_month("left", "2024-01-10", 3), by_month("other", "2024-01-01", 9), as_of=date.fromisoformat(as_of)
    )
    assert rows(log)[0][2] == end
    assert log.last_payment is not None and log.last_payment < date.fromisoformat(as_of)
    (after,) = log.quality.reasons
    assert (after.reason, after.rows + log.quality.rows_out) == ("at or after as_of", 12)


def test_nothing_after_the_date_changes_what_is_found() -> None:
    tables = by_month("a", "2024-01-10", 9), by_month("b", "2024-02-01", 8)
    later = paid("a", "2024-05-02", "2024-05-09", "2024-05-16", money=99.0)
    until = date(2024, 5, 1)
    pd.testing.assert_frame_equal(read(*tables, later, as_of=until).frame, read(*tables, as_of=until).frame)


@pytest.mark.parametrize(
    ("gap", "period"),
    [(7, PERIODS["week"]), (14, 14.0), (30, PERIODS["month"]), (91, PERIODS["quarter"]), (365, 365.25)],
)
def test_the_billing_period_is_the_usual_gap(gap: int, period: float) -> None:
    days = [str((pd.Timestamp("2020-01-01") + pd.Timedelta(days=gap * number)).date()) for number in range(5)]
    log = read(paid("a", *days), paid("b", days[-1]))
    assert log.frame["period_days"].tolist() == [period, period]


def test_who_paid_once_is_billed_as_others_of_the_plan_and_amount() -> None:
    log = read(
        by_month("monthly", "2023-01-01", 14),
        paid("yearly", "2022-01-01", "2023-01-01", "2024-01-01", money=100.0),
        paid("once", "2024-02-01", money=100.0),
        paid("unlike", "2024-02-01", money=55.0),
    )
    billed = log.frame.set_index("customer_id")["period_days"]
    assert billed[["once", "yearly"]].tolist() == [PERIODS["year"]] * 2
    assert billed[["monthly", "unlike"]].tolist() == [PERIODS["month"]] * 2


def test_a_pause_a_new_price_and_another_plan_begin_another_subscription() -> None:
    log = read(
        by_month("pauses", "2024-01-01", 3),
        by_month("pauses", "2024-06-01", 3),
        by_month("rises", "2024-01-01", 3),
        by_month("rises", "2024-04-01", 5, money=12.0),
        by_month("a little", "2024-01-01", 3),
        by_month("a little", "2024-04-01", 5, money=10.9),
        by_month("two", "2024-01-01", 8),
        by_month("two", "2024-02-01", 7, money=5.0, plan="extra"),
    )
    assert rows(log) == [
        ("a little", "01-01", "", "basic", 10.0),
        ("pauses", "01-01", "04-06", "basic", 10.0),
        ("pauses", "06-01", "", "basic", 10.0),
        ("rises", "01-01", "04-01", "basic", 10.0),
        ("rises", "04-01", "", "basic", 12.0),
        ("two", "01-01", "", "basic", 10.0),
        ("two", "02-01", "", "extra", 5.0),
    ]


def test_what_is_no_renewal_is_left_out_and_counted_with_its_money() -> None:
    log = read(
        by_month("a", "2024-01-01", 120),
        paid("a", "2024-03-09", money=3.0),
        paid("a", "2024-05-01", money=0.5),
        paid("a", "2024-04-01", money=-10.0),
        paid("", "2024-05-01", money=7.0),
    )
    # Two payments of a day are one.
    assert rows(log) == [("a", "01-01", "", "basic", 10.0)]
    told = {count.reason: (count.rows, count.money) for count in log.quality.reasons}
    assert told == {"no customer": (1, 7.0), NO_MONEY: (1, -10.0), EXTRA: (1, 3.0)}
    assert (log.quality.rows_in, log.quality.rows_out) == (124, 121)
    assert log.quality.money_in == pytest.approx(log.quality.money_out + 0.0)
    assert "  left out  1 payment, 3.00: a payment within half" in log.quality.to_text()


def test_the_order_of_the_rows_and_their_spelling_change_nothing() -> None:
    table = pd.concat([by_month("a", "2024-01-20", 9), by_month("b", "2024-02-21", 8, plan="pro")])
    mixed = table.sample(frac=1, random_state=1).assign(
        paid=lambda rows: pd.to_datetime(rows["paid"]).dt.strftime("%d.%m.%Y"), money="10,00 "
    )
    assert read(mixed).fingerprint == read(table).fingerprint


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (paid("a", "2024-01-01"), "nobody paid twice for a plan"),
        (paid("a"), "holds no payment"),
        (
            paid("a", "2024-01-01", "2024-02-01", money="x"),
            "cannot be used (2 have an amount that is not a number)",
        ),
        (paid("a", "soon", "later"), "2 have no readable date"),
        (paid("a", "9999-11-30", "9999-12-31"), "2 have no readable date"),
        (paid("a", "0001-01-01", "2024-01-01"), "payments come at no regular gap: 0 of 1 follow"),
        (paid("a", "2024-01-01", "2024-02-01", money=-5.0), "2 have an amount of zero or less"),
        (
            paid("a", *[f"2024-{month:02}-{day:02}" for month in range(1, 9) for day in (1, 2, 9, 10, 27)]),
            "payments come at no regular gap: ",
        ),
        (paid("a", "2024-01-01").drop(columns="money"), "has no column 'money'"),
    ],
)
def test_what_cannot_be_read_is_one_message(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        read(table)


def test_the_configuration_says_which_kind_of_table_it_is() -> None:
    raw = {
        "mode": "subscription",
        "data": {"source": "x.csv", "payments": COLUMNS},
        "windows": {"horizon_days": 30},
    }
    config = parse_any_config(raw, "configuration")
    log = read_subscription_log(config.data, by_month("a", "2024-01-10", 9))
    assert len(log.frame) == 1
    without = {**raw, "data": {"source": "x.csv", "payments": {**COLUMNS, "plan": None}}}
    log = read_subscription_log(
        parse_any_config(without, "configuration").data, by_month("a", "2024-01-10", 9)
    )
    assert log.frame["plan"].tolist() == ["all"]
    for data, said in (
        ({"source": "x.csv"}, "give either columns, of a table of subscriptions, or payments"),
        ({"source": "x.csv", "payments": COLUMNS, "early": ["a"]}, "leave them out with payments"),
        ({"source": "x.csv", "payments": {"customer_id": "who"}}, "data.payments.date"),
    ):
        with pytest.raises(InputError, match=said):
            parse_any_config({**raw, "data": data}, "configuration")
