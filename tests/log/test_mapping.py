"""Column mapping and its proposals."""

import re

import pytest

from clvml.config import ColumnsConfig
from clvml.errors import InputError
from clvml.log.mapping import map_columns, propose_columns, propose_difference

NAMES = {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"}


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def test_maps_exact_names():
    columns = ColumnsConfig(customer_id="Who", order_date="when", amount='how "much"', order_id="#")
    available = ["#", 'how "much"', "x", "when", "Who"]
    assert map_columns(columns, available, "f") == {
        "customer_id": 4,
        "order_date": 3,
        "amount": 1,
        "order_id": 0,
    }


def test_proposes_a_complete_mapping():
    with _raises(
        "'f.csv' has no column for customer_id: customer_id, order_date: order_date, amount: amount "
        "(data.columns). "
        "Its columns: Invoice No, StockCode, InvoiceDate, Quantity, Unit Price, CustomerID, Revenue. Did "
        "you mean "
        "columns: {customer_id: CustomerID, order_date: InvoiceDate, amount: Revenue, order_id: Invoice No, "
        "product_id: StockCode, quantity: Quantity}?"
    ):
        available = [
            "Invoice No",
            "StockCode",
            "InvoiceDate",
            "Quantity",
            "Unit Price",
            "CustomerID",
            "Revenue",
        ]
        map_columns(ColumnsConfig(**NAMES), available, "f.csv")


def test_says_that_no_column_holds_the_money():
    with _raises(
        "'f.csv' has no column for amount: amount (data.columns). Its columns: customer_id, order_date, "
        "quantity, "
        "unit_price. Did you mean columns: "
        "{customer_id: customer_id, order_date: order_date, quantity: quantity}? "
        "No column holds the money of a line; it may be quantity times price: amount: 'quantity * unit_price'."
    ):
        map_columns(ColumnsConfig(**NAMES), ["customer_id", "order_date", "quantity", "unit_price"], "f.csv")


def test_says_what_it_cannot_guess():
    with _raises(
        "'f.csv' has no column for order_date: order_date, amount: amount (data.columns). Its columns: "
        "customer_id, "
        "foo, bar. Did you mean columns: {customer_id: customer_id}? Nothing looks like order_date, "
        "amount: name "
        "the right column in data.columns. One row per purchase is needed, with its date, or one per subscription"
        " (docs/subscriptions.md); what is known of customers beside that goes into data.attributes."
    ):
        map_columns(ColumnsConfig(**NAMES), ["customer_id", "foo", "bar"], "f.csv")


def test_notices_a_missing_header():
    with _raises(
        "'f.csv' has no column for customer_id: customer_id, order_date: order_date, amount: amount "
        "(data.columns). "
        "Its columns: ann, 2024-01-05, 10.0. The first line must hold column names, and it looks like data."
    ):
        map_columns(ColumnsConfig(**NAMES), ["ann", "2024-01-05", "10.0"], "f.csv")


def test_an_absent_optional_column_is_an_error():
    with _raises(
        "'f.csv' has no column for order_id: order_no (data.columns). Its columns: customer_id, "
        "order_date, amount, "
        "Order-No. Did you mean columns: {customer_id: customer_id, order_date: order_date, amount: amount, "
        "order_id: Order-No}?"
    ):
        columns = ColumnsConfig(**NAMES, order_id="order_no")
        map_columns(columns, ["customer_id", "order_date", "amount", "Order-No"], "f.csv")


@pytest.mark.parametrize(
    "available, expected",
    [
        (["USER_ID", "ts", "timestamp", "price"], ["USER_ID", "timestamp", "price"]),
        (["household_key", "day", "sales_value"], ["household_key", "day", "sales_value"]),
        (["Client", "Transaction Date", "TOTAL"], ["Client", "Transaction Date", "TOTAL"]),
        (
            ["amount_eur", "customer_number_", "order_date_utc"],
            ["customer_number_", "order_date_utc", "amount_eur"],
        ),
    ],
)
def test_knows_usual_names(available, expected):
    found = propose_columns(NAMES, available)
    assert [found[ours] for ours in NAMES] == expected


@pytest.mark.parametrize(
    "header, columns",
    [
        (
            ["Kundennr.", "Auftragsnr.", "Bestelldatum", "Umsatz (€)"],
            ["Kundennr.", "Auftragsnr.", "Bestelldatum", "Umsatz (€)"],
        ),
        (
            ["Numéro client", "Commande", "Date commande", "Montant TTC"],
            ["Numéro client", "Commande", "Date commande", "Montant TTC"],
        ),
        (["Kunde", "Rechnung", "Datum", "Betrag in EUR"], ["Kunde", "Rechnung", "Datum", "Betrag in EUR"]),
        (
            ["Konto", "Umsatz (ohne Soll/Haben-Kz)", "Belegfeld 1", "Belegdatum"],
            [None, "Belegfeld 1", "Belegdatum", "Umsatz (ohne Soll/Haben-Kz)"],
        ),
        (["Bon", "Datum", "Kundenkarte", "Brutto", "Storno"], ["Kundenkarte", "Bon", "Datum", "Brutto"]),
        (["Bon", "Datum", "Brutto", "Storno"], [None, "Bon", "Datum", "Brutto"]),
        # A number tells customers apart better than an address.
        (
            ["Email address", "Numéro client", "Commande", "Date commande", "Montant"],
            ["Numéro client", "Commande", "Date commande", "Montant"],
        ),
        (
            ["Customer email", "Kundennummer", "Bestellung", "Datum", "Gesamt", "Netto"],
            ["Kundennummer", "Bestellung", "Datum", "Netto"],
        ),
        (["date", "id", "value"], ["id", None, "date", "value"]),
        (["CardCode", "DocNum", "DocDate", "DocTotal"], ["CardCode", "DocNum", "DocDate", "DocTotal"]),
        (
            ["Kundnr", "Fakturanr", "Fakturadatum", "Totalt"],
            ["Kundnr", "Fakturanr", "Fakturadatum", "Totalt"],
        ),
        (
            ["Müşteri", "Sipariş No", "Sipariş Tarihi", "Tutar"],
            ["Müşteri", "Sipariş No", "Sipariş Tarihi", "Tutar"],
        ),
        (["注文番号", "注文日時", "顧客ID", "合計金額"], ["顧客ID", "注文番号", "注文日時", "合計金額"]),
        (["订单编号", "下单时间", "客户编号", "金额"], ["客户编号", "订单编号", "下单时间", "金额"]),
        (["cus_id", "buy_date", "amount"], ["cus_id", None, "buy_date", "amount"]),
        (
            ["N° de commande", "N° client", "Date de commande", "CA HT"],
            ["N° client", "N° de commande", "Date de commande", "CA HT"],
        ),
        (
            ["Réf. de la commande", "E-mail", "Identifiant client", "Date de vente", "Prix total"],
            ["Identifiant client", "Réf. de la commande", "Date de vente", "Prix total"],
        ),
        (
            ["Bestell-ID", "Kunde Nr.", "Datum", "Gesamtsumme"],
            ["Kunde Nr.", "Bestell-ID", "Datum", "Gesamtsumme"],
        ),
        (
            ["Número de pedido", "Cliente", "Fecha", "Total"],
            ["Cliente", "Número de pedido", "Fecha", "Total"],
        ),
        (["Customer", "Date", "Amount", "Store ID", "N° TVA"], ["Customer", None, "Date", "Amount"]),
    ],
)
def test_usual_names_in_several_languages(header, columns):
    proposed = propose_columns({}, header)
    assert [proposed.get(ours) for ours in ("customer_id", "order_id", "order_date", "amount")] == columns


@pytest.mark.parametrize(
    "name",
    [
        "Artikelnummer",
        "Artikel-Nr.",
        "Art.-Nr.",
        "Produkt",
        "Code article",
        "Réf. produit",
        "Código producto",
        "Articolo",
    ],
)
def test_articles_are_found_in_several_languages(name):
    assert propose_columns({}, ["Kunde", "Datum", "Betrag", name])["product_id"] == name


def test_debit_less_credit_where_no_column_is_an_amount():
    assert propose_difference(["Soll", "Haben", "Konto"], None) == "Soll - Haben"
    assert propose_difference(["Debit (EUR)", "Credit (EUR)"], None) == '"Debit (EUR)" - "Credit (EUR)"'
    assert propose_difference(["Soll", "Haben", "Betrag"], "Betrag") is None
    assert propose_difference(["Soll", "Konto"], None) is None


@pytest.mark.parametrize(
    ("available", "proposed"),
    [
        (["Client Type", "Client Number"], {"customer_id": "Client Number"}),
        (
            ["Reservation No", "Guest ID", "Booked on", "Arrival", "Departure", "Total Amount"],
            {"customer_id": "Guest ID", "order_date": "Booked on", "amount": "Total Amount"},
        ),
        (
            ["Gast-Nr.", "Anreise", "Abreise", "Gesamtbetrag"],
            {"customer_id": "Gast-Nr.", "order_date": "Anreise", "amount": "Gesamtbetrag"},
        ),
        (
            ["Rechnungsdatum", "Kundennummer", "Betrag (netto)", "Betrag (brutto)"],
            {"customer_id": "Kundennummer", "order_date": "Rechnungsdatum", "amount": "Betrag (brutto)"},
        ),
        (
            ["Code tiers", "Date pièce", "Total HT", "Total TTC"],
            {"customer_id": "Code tiers", "order_date": "Date pièce", "amount": "Total TTC"},
        ),
        (
            ["Buchungstag", "Valutadatum", "Beguenstigter/Zahlungspflichtiger", "Betrag"],
            {
                "customer_id": "Beguenstigter/Zahlungspflichtiger",
                "order_date": "Buchungstag",
                "amount": "Betrag",
            },
        ),
        (
            ["Debitor", "Buch.dat.", "Betr. in HW"],
            {"customer_id": "Debitor", "order_date": "Buch.dat.", "amount": "Betr. in HW"},
        ),
        (["Customer Store ID", "Customer Loyalty ID"], {"customer_id": "Customer Loyalty ID"}),
        (["store_customer_id", "Customer_Store_ID"], {"customer_id": "store_customer_id"}),
        (["Customer Group", "Customer Name"], {"customer_id": "Customer Name"}),
        (["Total Tax", "Total Items", "Total Paid"], {"amount": "Total Paid"}),
        (["Amount Due", "Amount Paid", "Invoice Total"], {"amount": "Invoice Total"}),
        (["Shipping Total", "Discount Total", "Grand Total"], {"amount": "Grand Total"}),
        (["Tax Amount", "Total cost of shipping", "Due Date", "Birth date", "Customer since"], {}),
        (["Amount (incl. tax)"], {"amount": "Amount (incl. tax)"}),
        # A price is almost called as who was sold to, a debit as a debtor, and an amount as an account.
        (
            ["Sold For", "Debit", "Amount (in USD)", "Order #"],
            {"amount": "Amount (in USD)", "order_id": "Order #"},
        ),
        (["ID", "Customer Name"], {"customer_id": "Customer Name"}),
        (["Versand-Nr.", "Datum"], {"order_date": "Datum"}),
        (["Document Number", "Date Issued"], {"order_date": "Date Issued", "order_id": "Document Number"}),
        (["Sell-to Customer No.", "Sell-to Customer Name"], {"customer_id": "Sell-to Customer No."}),
        (["VK Brutto", "Total", "Item Total", "Menge"], {"amount": "Item Total", "quantity": "Menge"}),
        (["user_id", "amount_cents"], {"customer_id": "user_id", "amount": "amount_cents"}),
    ],
)
def test_what_is_called_nearly_as_a_column_may_be_something_else(available, proposed):
    assert propose_columns({}, available) == proposed
