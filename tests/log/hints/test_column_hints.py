"""What columns say that are not used, and the line of the configuration that uses them."""

import pytest
import yaml

HEADER = "customer,day,amount"


def _lines(*columns, rows=40):
    """Return lines of a shop: each column is its cells, repeated."""
    for number in range(rows):
        cells = [cells[number % len(cells)] for cells in columns]
        yield ",".join([f"c{number % 9}", f"2024-01-{number % 28 + 1:02}", "10.00", *cells])


def _text(names, *columns):
    return "\n".join([f"{HEADER},{names}", *_lines(*columns)]) + "\n"


@pytest.fixture
def hint(read):
    """Return a function that gives the warnings of a file by their codes."""

    def _hint(text, **keys):
        found = read(text, hints=True, duplicates="keep", known_warnings=["few-returns"], **keys)
        return {warning.code: warning for warning in found.quality.warnings}

    return _hint


def test_a_status_of_failed_payments(hint):
    text = _text("note,State", ["a", "b"], ["paid", "paid", "Failed", "voided"])
    found = hint(text)["status-column"]
    assert (found.rows, found.money) == (20, 200.0)
    assert "data.where: \"State not in ('Failed', 'voided')\"" in found.text
    assert "status-column" not in hint(text, where="State = 'paid'")
    assert "status-column" not in hint(_text("State", ["paid", "shipped"]))


def test_the_line_that_a_hint_proposes_is_right(hint, read):
    text = _text("Order Status", ["paid", "it's void", "cancelled", ""])
    found = hint(text)["status-column"]
    (_, proposed) = found.text.split("data.where: ")
    condition = yaml.safe_load(proposed.rsplit(" leaves", 1)[0])
    assert read(text, where=condition, duplicates="keep").quality.rows_out == 20


def test_refunds_in_a_column_of_their_own(hint, read):
    text = _text("Amount Refunded,Refunded at", ["0", "2.50"], ["", "2024-01-05"])
    found = hint(text)["refunded-amount"]
    assert (found.rows, found.money) == (20, 50.0)
    assert "data.columns.amount: 'amount - \"Amount Refunded\"'" in found.text
    net = read(text, columns={"amount": 'amount - "Amount Refunded"'}, duplicates="keep", hints=True)
    assert net.quality.money_out == 350.0
    assert "refunded-amount" not in [warning.code for warning in net.quality.warnings]
    assert "refunded-amount" not in hint(_text("Refunded", ["0", ""]))


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("Storno", "ja", "nein"),
        ("is_test", "true", "false"),
        ("cancelled", "1", ""),
        ("is_refunded", "True", "False"),
        ("Test_Order_", "x", ""),
        ("Storno_Kz", "J", "N"),
    ],
)
def test_a_column_that_marks_lines_as_not_bought(hint, name, yes, no):
    found = hint(_text(name, [no, no, no, yes]))["status-column"]
    empty = f"{name} is null or " if not no else ""
    assert f"data.where: \"{empty}{name} not in ('{yes}')\" leaves them out" in found.text
    assert "status-column" not in hint(_text(name, [no, yes, "2"]))


@pytest.mark.parametrize("name", ["cancel_at_period_end", "Stornierbar", "cancellable", "Testimonials"])
def test_a_column_whose_name_only_begins_like_a_mark_leaves_nothing_out(hint, name):
    assert "status-column" not in hint(_text(name, ["no", "no", "yes"]))


def test_a_price_beside_a_quantity(hint):
    text = _text("Qty", ["1", "2"]).replace("amount", "Unit Price")
    found = hint(text, columns={"amount": "Unit Price"})["price-without-quantity"]
    assert found.rows == 20
    assert "data.columns.amount: 'Qty * \"Unit Price\"'" in found.text
    assert "price-without-quantity" not in hint(_text("Qty", ["1", "2"]))


def test_a_price_that_a_preset_maps_is_that_of_the_line(hint):
    text = "order-id,purchase-date,buyer-email,item-price,sku,quantity\n1,2024-01-05,ann@x,20.00,A,2\n"
    assert "price-without-quantity" not in hint(text, preset="amazon")


def test_several_currencies(hint):
    found = hint(_text("Currency", ["EUR", "eur", "USD", "EUR"]))["currency-not-mapped"]
    assert found.rows == 10
    assert "EUR (30), USD (10)" in found.text
    assert "currency-not-mapped" not in hint(_text("Currency", ["EUR", "eur"]))


def test_one_currency_that_nothing_names(hint):
    column, beside = _text("Devise", ["EUR", "eur"]), _text("note", ["a"]).replace("10.00", "10.00 €")
    assert "column 'Devise' says EUR; data.currency: EUR" in hint(column)["currency-not-named"].text
    assert "column 'amount' is in EUR" in hint(beside)["currency-not-named"].text
    mapped = hint(column, columns={"currency": "Devise"})
    assert "column 'Devise' says EUR" in mapped["currency-not-named"].text
    named = hint(
        beside.replace(" €", "").replace("amount", "Betrag [CHF]"), columns={"amount": "Betrag [CHF]"}
    )
    assert "'Betrag [CHF]' is in CHF" in named["currency-not-named"].text
    for text, keys in (
        (beside, {"currency": "EUR"}),
        (beside.replace(" €", " $"), {}),
        (_text("note", ["a"]), {}),
        (_text("Devise", ["2"]), {}),
    ):
        assert "currency-not-named" not in hint(text, **keys)


def test_a_mapped_column_without_a_value(hint):
    found = hint(_text("Invoice ID", [""]), columns={"order_id": "Invoice ID"})["empty-column"]
    assert "data.columns.order_id" in found.text


def test_the_total_of_an_order_in_each_of_its_lines(hint, read):
    numbers = [f"{number}" for number in range(20) for _ in range(2)]
    rows = [f"c{n},2024-01-05,{n}.00,{n},{item}" for n, item in zip(numbers, "ab" * 20, strict=True)]
    text = f"{HEADER},no,item\n" + "\n".join(rows) + "\n"
    columns = {"order_id": "no", "product_id": "item"}
    found = hint(text, columns=columns)["order-total-repeated"]
    assert (found.rows, found.money) == (20, sum(range(20)))
    once = read(text, columns=columns, amount_per="order")
    assert (once.quality.rows_out, once.quality.money_out) == (40, sum(range(20)))
    # Without a number, what a customer bought at one time of a day is an order; a day alone tells none.
    timed = text.replace("2024-01-05", "2024-01-05 10:11:12")
    unnumbered = hint(timed, columns={"product_id": "item"})["order-total-repeated"]
    assert unnumbered.rows == 20 and "data.columns.order_id with data.amount_per: order" in unnumbered.text
    assert "order-total-repeated" not in hint(text, columns={"product_id": "item"})


def test_lines_of_an_order_without_its_total(hint, read, rows):
    lines = ["ann,2024-01-05,30,1,a,paid", ",,,1,b,", "bob,2024-01-06,5,2,a,void", ",,,2,b,", ",,,3,c,"]
    text = f"{HEADER},no,item,Status\n" + "\n".join(lines) + "\n"
    columns = {"order_id": "no", "product_id": "item"}
    log = read(text, columns=columns, amount_per="order", where="Status <> 'void'")
    assert rows(log, "customer_id, order_day::VARCHAR, amount, product_id") == [
        ("ann", "2024-01-05", 0.0, "b"),
        ("ann", "2024-01-05", 30.0, "a"),
    ]
    assert (log.quality.rows_in, log.quality.money_in) == (5, 35.0)
    with_names = text.replace("\n,,,1", "\nann,2024-01-05,,1").replace("\n,,,2", "\nbob,2024-01-06,,2")
    assert hint(with_names, columns=columns)["lines-without-amount"].rows == 2


def test_another_column_comes_again_where_the_customer_does_not(hint):
    rows = [f"c{number},2024-01-05,10,u{number % 7}@example.com" for number in range(40)]
    found = hint(f"{HEADER},email\n" + "\n".join(rows) + "\n")["customer-never-returns"]
    assert "data.columns.customer_id: email" in found.text


def test_a_known_export_that_is_mapped_by_hand(hint):
    text = "Order ID,Order Date,Order Status,Billing Email,Order Total\n1,2024-01-05,completed,a@x,2\n"
    columns = {"customer_id": "Billing Email", "order_date": "Order Date", "amount": "Order Total"}
    assert "data.preset: woocommerce" in hint(text, columns=columns)["known-export"].text


def test_files_that_only_the_careful_reader_takes(hint):
    text = _text("State", ["paid", '"void\nitem"', "failed", "paid"])
    assert hint(text)["status-column"].rows == 20


@pytest.mark.parametrize(
    "bought, other",
    [
        ("Bezahlt", "Nicht bezahlt"),
        ("Bezahlt", "Zahlung fehlgeschlagen"),
        ("completed", "on-hold"),
        ("Payment received", "Payment failed"),
        ("SHIPPED", "Cancelled by customer"),
        ("Versendet", "Retourniert"),
        ("sale", "refund"),
    ],
)
def test_a_status_in_words_and_sentences(hint, bought, other):
    assert hint(_text("state", [bought, bought, other, bought]))["status-column"].rows == 10


def test_refunds_that_are_negative_come_off_by_themselves(hint):
    text = _text("state", ["sale", "refund"])
    negative = "\n".join(
        line.replace(",10.00,", ",-10.00,") if "refund" in line else line for line in text.splitlines()
    )
    assert "status-column" in hint(text)
    assert "status-column" not in hint(negative + "\n")


def test_a_word_among_products_is_no_status(hint):
    assert "status-column" not in hint(_text("title", ["Error", "Opal", "Tide", "Void"]))


def test_a_file_of_very_many_columns(hint):
    names, cells = ",".join(f"x{n}" for n in range(1_000)), ",".join("1" for _ in range(1_000))
    lines = "".join(
        f"c{n % 3},2024-01-0{n % 9 + 1},{n},{cells},{'paid' if n % 2 else 'failed'}\n" for n in range(40)
    )
    assert hint(f"customer,day,amount,{names},state\n{lines}")["status-column"].rows == 20


@pytest.mark.parametrize(
    ("name", "plain", "apart"),
    [
        ("Tags", "vip", "vip, test"),
        ("Tags", "", "Gift Card"),
        ("Typ", "regular", "gift card"),
        ("Status", "paid", "Test order"),
        ("Schlagwörter", "Stammkunde", "Geschenkgutschein"),
    ],
)
def test_tags_and_types_that_are_no_purchases(hint, name, plain, apart):
    cell = f'"{apart}"'
    found = hint(_text(name, [plain, plain, plain, cell]))["status-column"]
    assert found.rows == 10
    assert f"not in ('{apart}')" in found.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Tags", ["vip", "latest", "contest"]),
        ("Payment Type", ["Cash", "Gift Card"]),
        ("Article", ["Test kit", "Gift card"]),
        ("Order Type", ["regular", "testimonial"]),
        ("Article type", ["Pregnancy test", "Vitamins"]),
    ],
)
def test_words_that_only_hold_such_a_tag_leave_nothing_out(hint, name, words):
    assert "status-column" not in hint(_text(name, words))


@pytest.mark.parametrize("name", ["Deal Stage", "Stage", "Deal status"])
def test_deals_that_were_not_won_are_no_purchases(hint, name):
    found = hint(_text(name, ["Closed Won", "Closed Won", "Closed Lost", "Negotiation/Review"]))[
        "status-column"
    ]
    assert found.rows == 20
    assert yaml.safe_load(found.text.split("data.where: ")[1].split(" leaves")[0]).endswith(
        "in ('Closed Won')"
    )
    assert "status-column" not in hint(_text("Product", ["Won Ton", "Soup"]))


@pytest.mark.parametrize(
    "word", ["Quotation Sent", "Awaiting payment", "Closed Lost", "Recusado", "İptal edildi"]
)
def test_more_words_of_lines_that_were_not_bought(hint, word):
    assert hint(_text("Status", ["Done", "Done", word]))["status-column"].rows == 13


def test_an_open_payment_is_none(hint):
    assert hint(_text("Payment State", ["Paid", "Open"]))["status-column"].rows == 20
    assert "status-column" not in hint(_text("State", ["Paid", "Open"]))
