"""Files in the shape of real exports, each with what a careful person finds in it by hand."""

from datetime import datetime
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "cases"
NOW = datetime(2025, 1, 1)


@pytest.fixture
def case(read):
    """Return a function that reads a case."""

    def _case(name, columns=None, **keys):
        return read(source=CASES / name, columns=columns, now=NOW, **keys)

    return _case


def _codes(log):
    return {found.code: (found.rows, found.money) for found in log.quality.warnings}


def _figures(log):
    quality = log.quality
    return quality.rows_out, quality.money_out, quality.customers


STRIPE = {"customer_id": "Customer ID", "order_date": "Created date (UTC)", "order_id": "id"}
WOO = {"customer_id": "customer_user", "order_date": "date", "amount": "order_total", "order_id": "order_id"}
SHOPIFY = {
    **{"customer_id": "Email", "order_date": "Created at", "amount": "Total", "order_id": "Name"},
    **{"product_id": "Lineitem sku", "quantity": "Lineitem quantity"},
}
EXPORTS = {"customer_id": "customer", "order_date": "date", "amount": "total", "order_id": "order_id"}


def test_shopify_orders_count_once_and_all_their_articles(case, rows):
    log = case("shopify_orders.csv", SHOPIFY, amount_per="order")
    assert log.quality.money_in == 153_984.12
    assert _figures(log) == (3_844, 146_128.16, 398)
    assert rows(log, "DISTINCT customer_id, product_id").__len__() == 3_199
    assert log.frame(f"SELECT sum(quantity) FROM {log.table}").iloc[0, 0] == 7_744
    assert [count.reason for count in log.quality.reasons if count.treatment == "rejected"] == [
        "missing customer id"
    ]


def test_shopify_orders_without_the_void_and_less_refunds(read, reasons):
    log = read(source=CASES / "shopify_orders.csv", preset="shopify", now=NOW)
    assert log.quality.money_out == 132_473.96
    # The articles of an order that is left out are left out with it: one customer of 398 has no other order.
    assert log.quality.customers == 397
    assert reasons(log)["not in data.where", "dropped"] == (161, 6_179.19)


@pytest.mark.parametrize(
    "amount, where, money",
    [
        ("Amount", "Status in ('Paid', 'Refunded')", 148_152.41),
        ('Amount - "Amount Refunded"', "Status <> 'Failed'", 141_539.65),
    ],
)
def test_stripe_payments(case, amount, where, money):
    log = case("stripe_payments.csv", {**STRIPE, "amount": amount}, where=where)
    assert log.quality.rows_in == 3_335
    assert log.quality.money_out == pytest.approx(money, abs=0.005)


def test_woocommerce_guests_are_said_and_left_out_when_asked(case, reasons):
    log = case("woocommerce_orders.csv", WOO)
    assert log.quality.money_out == 162_270.38
    assert _codes(log)["guest-customer"] == (880, 65_362.29)
    rejected = case("woocommerce_orders.csv", WOO, guests="reject")
    assert reasons(rejected) == {("customer id of nobody (data.guests)", "rejected"): (880, 65_362.29)}
    for answered in (rejected, case("woocommerce_orders.csv", WOO, guests="keep")):
        assert "guest-customer" not in _codes(answered)


def test_woocommerce_addresses_in_mixed_case(case):
    by_mail = {**WOO, "customer_id": "billing_email"}
    assert "ids-differ-in-case" in _codes(case("woocommerce_orders.csv", by_mail))
    log = case("woocommerce_orders.csv", by_mail, customer_ids="casefold")
    assert log.quality.customers == 400
    assert "ids-differ-in-case" not in _codes(log)


def test_coffee_is_bought_twice_a_day(case):
    log = case("coffee_no_order_number.csv", {"customer_id": "cus_id", "order_date": "buy_date"})
    assert _figures(log)[:2] == (2_330, 34_950.0)
    assert _codes(log)["repeats-without-order-number"] == (555, 8_325.0)


def test_the_later_of_overlapping_exports_stands(case, reasons):
    log = case("overlapping_exports", EXPORTS)
    assert _figures(log)[:2] == (1_794, 34_121.42)
    assert log.quality.orders == 1_794
    assert reasons(log)["order stands in a later file", "dropped"] == (90, 1_714.64)
    assert _codes(log)["orders-in-several-files"] == (90, 1_714.64)
    for answer, figures in {"latest": (1_794, 34_121.42), "keep": (1_884, 35_836.06)}.items():
        answered = case("overlapping_exports", EXPORTS, overlaps=answer)
        assert _figures(answered)[:2] == figures
        assert "orders-in-several-files" not in _codes(answered)


def test_a_horizon_shorter_than_the_rhythm_of_yearly_buyers(case):
    columns = {"customer_id": "cust", "order_date": "date"}
    (warning,) = case("yearly_and_weekly_buyers.csv", columns, horizon_days=90).quality.warnings
    assert warning.code == "horizon-shorter-than-rhythm"
    assert "every 366 days" in warning.text
    assert not case("yearly_and_weekly_buyers.csv", columns, horizon_days=400).quality.warnings
    assert not case("yearly_and_weekly_buyers.csv", columns).quality.warnings


def test_nothing_can_be_learnt_from_five_rows(case):
    log = case("five_rows.csv", {"customer_id": "id", "order_date": "date", "amount": "value"})
    assert list(_codes(log)) == ["few-returns"]
