"""Tables of subscriptions, as people have them."""

from __future__ import annotations

import pandas as pd
import pytest

from clvml.errors import InputError
from clvml.log.subscriptions import COLUMNS, read_subscriptions

NAMES = {name: name for name in COLUMNS}


def rows(**changed: str) -> pd.DataFrame:
    good = {"start": "2021-01-01", "end": "", "plan": "pro", "price": "9.90", "period": "monthly"}
    table = pd.DataFrame([{"customer_id": f"{number:04}", **good} for number in range(300)])
    for name, value in changed.items():
        table.loc[0, name] = value
    return table.replace("", pd.NA)


def test_a_file_is_read_with_its_ids_and_periods(tmp_path):
    rows(period="Annual", end="2021-05-01").to_csv(tmp_path / "subs.csv", index=False)
    log = read_subscriptions(tmp_path / "subs.csv", NAMES)
    first, second = log.frame.iloc[0], log.frame.iloc[1]
    assert (first["customer_id"], first["period_days"], first["end"]) == (
        "0000",
        365.25,
        pd.Timestamp("2021-05-01"),
    )
    assert (second["period_days"], second["price"]) == (30.4375, 9.9)
    assert pd.isna(second["end"])
    assert log.reasons == []


@pytest.mark.parametrize(
    ("column", "value", "reason", "money"),
    [
        ("end", "2020-12-01", "an end before the start", 9.9),
        ("end", "soon", "an end that is not a date", 9.9),
        ("price", "free?", "a price that is not a number", None),
        ("price", "-9.90", "a price below zero", -9.9),
        ("price", "inf", "a price that is not a number", None),
        ("price", "1e300", "a price that is not a number", None),
        ("period", "fortnightly-ish", "an unknown billing period", 9.9),
        # Of which a training ended in a traceback, and a model that could not be read again.
        ("period", "0.5", "an unknown billing period", 9.9),
        ("period", "1000000000", "an unknown billing period", 9.9),
        ("customer_id", "", "no customer", 9.9),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_money(column, value, reason, money):
    log = read_subscriptions(rows(**{column: value}), NAMES)
    counted = {count.reason: (count.rows, count.money) for count in log.reasons}
    assert counted == {reason: (1, money if money is None else pytest.approx(money))}
    assert (len(log.frame), log.rows_in) == (299, 300)


def test_money_that_no_row_of_a_reason_has_is_not_known():
    table = rows(customer_id="", price="free?")
    assert [count.money for count in read_subscriptions(table, NAMES).reasons] == [None]


def test_many_bad_rows_are_refused_with_their_reasons():
    table = rows()
    table["end"] = "2020-01-01"
    with pytest.raises(
        InputError, match=r"300 of 300 subscriptions cannot be used \(300 have an end before the"
    ):
        read_subscriptions(table, NAMES)


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="has no column 'prices'"):
        read_subscriptions(rows(), NAMES | {"price": "prices"})
    with pytest.raises(InputError, match="columns lacks period"):
        read_subscriptions(rows(), {name: name for name in COLUMNS if name != "period"})


@pytest.mark.parametrize("value", ["inf", "1e40", "many"])
def test_a_further_column_without_numbers_is_refused(value):
    with pytest.raises(
        InputError, match=f"column 'fails' of the frame holds '{value}' where a number below 1e12"
    ):
        read_subscriptions(rows().assign(fails=value), NAMES, {"early_fails": "fails"})


def test_overlapping_subscriptions_are_kept_and_counted():
    table = rows()
    table.loc[1, "customer_id"] = "0000"
    log = read_subscriptions(table, NAMES)
    assert (log.overlapping, len(log.frame)) == (1, 300)


def test_a_table_without_rows_is_refused():
    with pytest.raises(
        InputError, match="the frame holds no subscription; give a table with at least one row"
    ):
        read_subscriptions(rows().head(0), NAMES)


@pytest.mark.parametrize(
    ("price", "ids", "names", "units", "found"),
    [
        ("9.90", "c", ("unit_price", "note"), "2", []),
        ("9.90", "c", ("price", "Quantity"), "1", []),
        ("9.90", "c", ("monthly total", "Quantity"), "2", []),
        ("9.90", "c", ("unit_price", "Quantity"), "2", ["price-without-quantity"]),
        ("9.90", "c", ("plan_unit_price", "plan_quantity"), "2", ["price-without-quantity"]),
        ("990", "cus_", ("plan.amount", "quantity"), "1", ["amounts-in-other-units"]),
        (
            "990",
            "cus_",
            ("plan.amount", "quantity"),
            "3",
            ["price-without-quantity", "amounts-in-other-units"],
        ),
        ("9.90", "cus_", ("Amount", "Quantity"), "1", []),
    ],
)
def test_prices_of_one_unit_and_in_cents_are_told(price, ids, names, units, found):
    table = rows(customer_id="7").assign(price=price, units=units)
    table["customer_id"] = ids + table["customer_id"]
    table = table.rename(columns=dict(zip(("price", "units"), names, strict=True)))
    log = read_subscriptions(table, NAMES | {"price": names[0]})
    assert [warning.code for warning in log.quality.warnings] == found
