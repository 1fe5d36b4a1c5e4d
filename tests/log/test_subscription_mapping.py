"""Tables of subscriptions are told from purchase logs."""

from __future__ import annotations

import pytest

from clvml.config import SubscriptionConfig
from clvml.errors import InputError
from clvml.log.subscriptions import read_subscriptions
from clvml.opened_log import read_log
from clvml.workflows import assume_any_config, assume_config

STRIPE = """id,Customer ID,Plan,Interval,Amount,Status,Created (UTC),Start Date (UTC),Canceled At (UTC),Ended At (UTC)
sub_1,cus_a,Pro,month,29.90,active,2024-01-05 10:00,2024-01-05 10:00,,
sub_2,cus_b,Basic,month,9.90,canceled,2024-02-05 10:00,2024-02-05 10:00,2024-05-01 10:00,2024-05-05 10:00
"""
GERMAN = """Mitgliedsnr.;Vertragsbeginn;Vertragsende;Tarif;Monatsbeitrag
0007;05.01.2024;;Pro;29,90 €
0012;13.02.2024;05.05.2024;Basic;9,90 €
"""


def written(folder, text, encoding="utf-8"):
    path = folder / "subscriptions.csv"
    path.write_text(text, encoding=encoding)
    return str(path)


def test_a_table_of_subscriptions_is_proposed_as_one(tmp_path):
    config = assume_any_config(written(tmp_path, STRIPE))
    assert isinstance(config, SubscriptionConfig)
    assert config.data.mapped() == {
        "customer_id": "Customer ID",
        "start": "Start Date (UTC)",
        "end": "Ended At (UTC)",
        "price": "Amount",
        "period": "Interval",
        "plan": "Plan",
    }


def test_a_month_is_assumed_where_no_column_says_how_often_the_price_is_paid(tmp_path):
    config = assume_any_config(written(tmp_path, GERMAN, "cp1252"), ["data.grace_days=7"])
    assert isinstance(config, SubscriptionConfig)
    assert config.data.mapped() == {
        "customer_id": "Mitgliedsnr.",
        "start": "Vertragsbeginn",
        "end": "Vertragsende",
        "price": "Monatsbeitrag",
        "plan": "Tarif",
    }
    assert (config.data.period, config.data.grace_days, config.data.currency) == ("month", 7, "EUR")


@pytest.mark.parametrize("end", ["31.12.9999", "00.00.0000", "unbefristet", "Aktiv", "\\N", "-"])
def test_what_says_that_there_is_no_end_is_none(tmp_path, end):
    path = written(tmp_path, GERMAN.replace("2024;;", f"2024;{end};"))
    config = assume_any_config(path)
    assert isinstance(config, SubscriptionConfig)
    log = read_subscriptions(path, config.data.mapped(), period=config.data.period)
    assert log.frame["end"].isna().tolist() == [True, False]


def test_prices_in_several_currencies_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"the prices in 'Monatsbeitrag' of .* are in CHF, EUR; give a table in one"
    ):
        assume_any_config(written(tmp_path, GERMAN.replace(";9,90 €", ";CHF 9,90")))


@pytest.mark.parametrize(
    "text",
    [
        # Rentals end.
        "customer,start_date,end_date,price,date\na,2024-01-05,2024-01-07,80,2024-01-01\nb,2024-02-05,2024-02-07,80,2024-02-01\n",
        # They may also run, as vouchers do.
        "customer,date,valid_from,valid_until,total\na,2024-01-05,2024-01-05,,80\nb,2024-02-05,2024-02-05,2025-02-05,80\n",
        # Purchases have a day of their own.
        "customer,order date,start date,end date,frequency,amount\na,2024-01-01,2024-01-05,,monthly,80\n"
        "b,2024-02-01,2024-02-05,2024-02-07,monthly,80\n",
        # Orders are cancelled.
        "Email,Created at,Cancelled at,Total\na@x.de,2024-01-05,,80\nb@x.de,2024-02-05,2024-02-07,80\n",
        # Nobody is named.
        "id,start_date,end_date,price,date\n1,2024-01-05,,80,2024-01-01\n2,2024-02-05,2024-02-07,80,2024-02-01\n",
    ],
)
def test_other_tables_with_two_dates_are_none(tmp_path, text):
    assert not isinstance(assume_any_config(written(tmp_path, text)), SubscriptionConfig)


def test_columns_that_are_named_are_those_of_purchases(tmp_path):
    path = written(tmp_path, STRIPE)
    named = ["data.columns.customer_id=Customer ID", "data.columns.order_date=Start Date (UTC)"]
    for assume in (assume_any_config, assume_config):
        assert assume(path, named).data.columns.order_date == "Start Date (UTC)"


def test_reading_subscriptions_as_purchases_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(
        InputError, match=r"looks like a table of subscriptions: 'Ended At \(UTC\)' is when they"
    ):
        read_log(written(tmp_path, STRIPE))


def test_a_column_that_is_not_found_is_asked_for_and_can_be_named(tmp_path):
    path = written(tmp_path, STRIPE.replace("Amount", "Tariff 2024"))
    with pytest.raises(InputError, match=r"nothing in it looks like price.*--set data.columns.price=COLUMN"):
        assume_any_config(path)
    config = assume_any_config(path, ["mode=subscription", "data.columns.price=Tariff 2024"])
    assert isinstance(config, SubscriptionConfig)
    assert config.data.mapped()["price"] == "Tariff 2024"
    assert config.data.mapped()["end"] == "Ended At (UTC)"


def test_columns_of_subscriptions_can_be_named_where_none_is_recognised(tmp_path):
    path = written(tmp_path, "a,b,c,d\nx,2024-01-05,2024-02-05,9.9\n")
    with pytest.raises(InputError, match="nothing in it looks like customer_id, start, end, price"):
        assume_any_config(path, ["mode=subscription"])
    named = [
        f"data.columns.{ours}={theirs}"
        for ours, theirs in zip(("customer_id", "start", "end", "price"), "abcd", strict=True)
    ]
    assert assume_any_config(path, ["mode=subscription", *named]).data.mapped()["price"] == "d"


def test_a_table_of_customers_without_dates_is_told_what_is_needed(tmp_path):
    path = written(tmp_path, "customer_id,tenure,MonthlyCharges,Churn\na,5,29.9,No\n")
    with pytest.raises(
        InputError, match="One row per purchase is needed, with its date, or one per subscription"
    ):
        assume_any_config(path)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["windows=5"], "'windows'"),
        (["mode=subscription", "data.columns=foo"], "'data.columns'"),
    ],
)
def test_sections_that_are_none_are_refused_in_words(tmp_path, overrides, said):
    with pytest.raises(InputError, match=said):
        assume_any_config(written(tmp_path, STRIPE), overrides)


def test_what_the_user_says_of_the_mode_and_of_payments_holds(tmp_path):
    path = written(tmp_path, "who,day,paid\na,2024-01-05,9.9\n")
    named = [
        f"data.payments.{name}={column}"
        for name, column in (("customer_id", "who"), ("date", "day"), ("amount", "paid"))
    ]
    config = assume_any_config(path, ["mode=subscription", *named])
    assert isinstance(config, SubscriptionConfig)
    assert config.data.payments is not None
    with pytest.raises(InputError, match="looks like a table of subscriptions"):
        assume_any_config(written(tmp_path, STRIPE), ["mode=purchase"])


def test_subscriptions_of_which_nothing_tells_the_day_from_the_month_are_some(tmp_path):
    text = "customer,start_date,end_date,price\na,05/01/2024,07/01/2024,80\nb,03/03/2024,,80\n"
    assert isinstance(assume_any_config(written(tmp_path, text)), SubscriptionConfig)


def test_rentals_without_a_day_of_purchase_are_no_subscriptions(tmp_path):
    text = "rental,customer,start_date,end_date,price\n1,a,2024-01-05,2024-01-07,80\n2,b,2024-02-05,2024-02-15,80\n"
    with pytest.raises(InputError, match="Nothing looks like order_date"):
        assume_any_config(written(tmp_path, text + "3,c,2024-03-05,,80\n"))


@pytest.mark.parametrize(
    ("header", "price", "customer"),
    [
        ("N° abonné,Formule,Date de début,Date de fin,Cotisation,Périodicité", "Cotisation", "N° abonné"),
        (
            "customer_id,plan_id,started_at,cancelled_at,plan_unit_price,billing_period",
            "plan_unit_price",
            "customer_id",
        ),
    ],
)
def test_columns_of_subscriptions_have_many_names(tmp_path, header, price, customer):
    text = f"{header}\na,x,2024-01-05,,5,month\nb,x,2024-01-05,2024-03-05,5,month\n"
    columns = assume_any_config(written(tmp_path, text)).data.mapped()
    assert (columns["price"], columns["customer_id"]) == (price, customer)
