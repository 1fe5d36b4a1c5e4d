"""Exports that are known, each on a made-up file in its shape."""

from pathlib import Path
from typing import get_args

import pytest

from clvml.config import DataConfig, PresetName, parse_config, read_preset
from clvml.errors import InputError
from clvml.expressions import parse_expression
from clvml.log.presets import preset_names, recognise

# One purchase of ann of 20.00 on 2024-01-05 each, beside lines that are not purchases of hers.
EXPORTS = {
    "shopify": (
        "Name,Email,Financial Status,Total,Refunded Amount,Currency,Created at,Lineitem quantity,Lineitem sku\n"
        "#1,Ann@example.com,partially_refunded,25.00,5.00,USD,2024-01-05 10:00:00 -0500,2,A\n"
        "#1,Ann@example.com,,,,,2024-01-05 10:00:00 -0500,1,B\n"
        "#2,ann@example.com,voided,9.00,0.00,USD,2024-01-06 10:00:00 -0500,1,A\n"
        "#2,ann@example.com,,,,,2024-01-06 10:00:00 -0500,1,B\n"
    ),
    "woocommerce": (
        "Order ID,Order Date,Order Status,Billing Email,Order Total\n"
        "1,2024-01-05 10:00:00,completed,Ann@example.com,20.00\n"
        "2,2024-01-06 10:00:00,cancelled,ann@example.com,9.00\n"
    ),
    "stripe": (
        "id,Created (UTC),Amount,Amount Refunded,Currency,Status,Customer ID\n"
        "ch_1,2024-01-05 10:00,25.00,5.00,usd,Paid,ann\nch_2,2024-01-06 10:00,9.00,0.00,usd,Failed,ann\n"
    ),
    "paypal": (
        '"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","From Email Address",'
        '"To Email Address","Transaction ID"\n'
        '"2024-01-05","10:00:00","PST","Ann","Express Checkout Payment","Completed","USD","20.00","-1.00","19.00",'
        '"Ann@example.com","shop@example.com","T1"\n'
        '"2024-01-06","10:00:00","PST","","General Withdrawal","Completed","USD","-19.00","0.00","-19.00",'
        '"shop@example.com","","T2"\n'
        '"2024-01-07","10:00:00","PST","Ann","Payment Refund","Completed","USD","-9.00","0.00","-9.00",'
        '"shop@example.com","ann@example.com","T3"\n'
    ),
    "square": (
        "Date,Time,Time Zone,Gross Sales,Discounts,Net Sales,Transaction ID,Event Type,Customer ID\n"
        "2024-01-05,10:00:00,Eastern Time (US & Canada),$25.00,-$5.00,$20.00,T1,Payment,ann\n"
        "2024-01-06,10:00:00,Eastern Time (US & Canada),$9.00,$0.00,$9.00,T2,Custom,ann\n"
    ),
    "magento": (
        "ID,Purchase Point,Purchase Date,Grand Total (Base),Status,Customer Email,Total Refunded\n"
        "1,Main,2024-01-05 10:00:00,25.00,complete,Ann@example.com,5.00\n"
        "2,Main,2024-01-06 10:00:00,9.00,canceled,ann@example.com,\n"
    ),
    "amazon": (
        "amazon-order-id\tpurchase-date\tbuyer-email\tsku\tquantity-purchased\tcurrency\titem-price\torder-status\n"
        "1\t2024-01-05T10:00:00+00:00\tAnn@marketplace.amazon.com\tA\t2\tUSD\t20.00\tShipped\n"
        "2\t2024-01-06T10:00:00+00:00\tann@marketplace.amazon.com\tA\t1\tUSD\t9.00\tCancelled\n"
    ),
    "fec": (
        "JournalCode\tJournalLib\tEcritureDate\tCompteNum\tCompAuxNum\tPieceRef\tDebit\tCredit\n"
        "VE\tVentes\t20240105\t411000\tann\tF1\t20,00\t0,00\nVE\tVentes\t20240105\t707000\t\tF1\t0,00\t20,00\n"
        "BQ\tBanque\t20240125\t411000\tann\tF1\t0,00\t20,00\nBQ\tBanque\t20240125\t512000\t\tF1\t20,00\t0,00\n"
    ),
    "uci-online-retail": (
        "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
        "1,85048,LIGHTS,4,2024-01-05 10:00:00,5.00,13085.0,United Kingdom\n"
        "C2,85048,LIGHTS,-1,2024-01-06 10:00:00,5.00,,United Kingdom\n"
    ),
}


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_reads_its_export(read, rows, preset):
    name = "orders.tsv" if preset == "amazon" else "orders.csv"
    log = read(EXPORTS[preset], name=name, preset=preset)
    paid = [row for row in rows(log, "customer_id, order_day::VARCHAR, amount") if row[2]]
    assert len(paid) == 1
    customer, day, amount = paid[0]
    assert (customer[:3], day, amount) in (("ann", "2024-01-05", 20.0), ("130", "2024-01-05", 20.0))
    assert log.quality.rows_out == (2 if preset == "shopify" else 1)
    header = EXPORTS[preset].splitlines()[0].replace('"', "").replace("\t", ",").split(",")
    assert recognise(header) == preset


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_is_a_configuration_whose_columns_its_header_has(preset):
    known = read_preset(preset)
    data = DataConfig.model_validate({"source": "x.csv", "preset": preset})
    required = [data.columns.customer_id, data.columns.order_date]
    if data.columns.amount in known.header:
        required.append(data.columns.amount)
    else:
        required += set(parse_expression(data.columns.amount, "number", "amount").columns) & set(known.header)
    named = {*known.header, *known.names}
    assert set(required) <= named
    assert set(get_args(PresetName)) == {path.stem for path in _folder().glob("*.yaml")}


def _folder():
    from clvml.log import presets

    return Path(presets.__file__).parent


def test_single_keys_are_given_beside_it():
    keys = {"source": "x.csv", "preset": "shopify", "columns": {"amount": "Subtotal"}, "where": None}
    data = DataConfig.model_validate(keys)
    assert (data.columns.amount, data.columns.customer_id, data.where) == ("Subtotal", "Email", None)
    again = parse_config({"data": data.model_dump(mode="json"), "windows": {"horizon_days": 90}}).data
    assert again == data


def test_a_file_of_another_system_is_refused(read):
    with pytest.raises(InputError, match=r"has no column .*'Total'.*which 'shopify' exports have"):
        read("Name,Email\n#1,ann\n", preset="shopify")


def test_what_is_optional_may_be_absent(read):
    text = "order-id,purchase-date,buyer-email,item-price,sku\n1,2024-01-05,ann@x,20.00,A\n"
    log = read(text, preset="amazon")
    assert log.quality.money_out == 20.0
    assert "quantity" not in log.columns


def test_names_of_another_version_stand_for_one_column_each():
    assert preset_names("stripe", ["id", "Created (UTC)"]) == ("id", "Created date (UTC)")
    assert preset_names("stripe", ["Created date (UTC)", "Created (UTC)"]) == (
        "Created date (UTC)",
        "Created (UTC)",
    )
    assert recognise(["customer", "date", "amount"]) is None


def test_an_amount_without_the_column_of_refunds(read):
    text = (
        EXPORTS["magento"]
        .replace(",Total Refunded", "")
        .replace("com,5.00", "com")
        .replace("com,\n", "com\n")
    )
    assert read(text, preset="magento").quality.money_out == 25.0


@pytest.mark.parametrize(
    ("preset", "column", "day"),
    [
        ("stripe", "Created date (UTC)", "2024-01-06"),
        ("stripe", "Created (UTC)", "2024-01-06"),
        ("woocommerce", "date_created_gmt", "2024-01-06"),
        ("woocommerce", "date_created", "2024-01-05"),
    ],
)
def test_times_are_utc_where_their_column_says_so(read, rows, preset, column, day):
    header, line = {
        "stripe": (
            "id,{},Amount,Amount Refunded,Currency,Status,Customer ID",
            "ch_1,{},25.00,5.00,usd,Paid,ann",
        ),
        "woocommerce": ("order_id,{},status,billing_email,order_total", "1,{},completed,ann@x,20.00"),
    }[preset]
    text = f"{header.format(column)}\n{line.format('2024-01-05 23:30:00')}\n"
    log = read(text, preset=preset, timezone="Europe/Berlin")
    assert rows(log, "order_day::VARCHAR, amount") == [(day, 20.0)]
    assert [count.rows for count in log.quality.reasons if "time converted" in count.reason] == [1] * (
        day == "2024-01-06"
    )
    # A mere date is the day that it says, and so is a time with its own distance from UTC.
    for written in ("2024-01-05", "2024-01-05T23:30:00+01:00"):
        log = read(
            f"{header.format(column)}\n{line.format(written)}\n", preset=preset, timezone="Europe/Berlin"
        )
        assert rows(log, "order_day::VARCHAR, amount") == [("2024-01-05", 20.0)]


@pytest.mark.parametrize(
    ("header", "payment", "withdrawal", "refund", "done"),
    [
        (
            "Datum,Typ,Status,Währung,Brutto,Absender E-Mail-Adresse,Transaktionscode",
            *("PayPal Express-Zahlung", "Allgemeine Abbuchung", "Rückzahlung", "Abgeschlossen"),
        ),
        (
            "Date,Type,État,Devise,Avant commission,De l'adresse email,Numéro de transaction",
            *("Paiement Express Checkout", "Virement standard", "Remboursement de paiement", "Terminé"),
        ),
    ],
)
def test_paypal_in_other_languages(read, rows, header, payment, withdrawal, refund, done):
    text = header + "".join(
        f'\n13.01.2024,{kind},{state},EUR,"{amount}",{who},{n}'
        for n, (kind, state, amount, who) in enumerate(
            [
                (payment, done, "20,00", "ann@x"),
                (payment, "Ausstehend", "9,00", "ann@x"),
                (withdrawal, done, "-500,00", "shop@x"),
                (refund, done, "-9,00", "shop@x"),
            ]
        )
    )
    assert recognise(header.split(",")) == "paypal"
    assert rows(read(text, preset="paypal"), "customer_id, amount") == [("ann@x", 20.0)]
