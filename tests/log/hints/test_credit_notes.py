"""Credit notes whose amounts are positive, and the sides of an account."""

import pytest
import yaml

HEADER = "customer,day,amount"


def _text(name, kinds, amounts=("10.00",), rows=40):
    lines = [
        f"c{n % 9},2024-01-{n % 28 + 1:02},{amounts[n % len(amounts)]},{kinds[n % len(kinds)]},{n}"
        for n in range(rows)
    ]
    return f"{HEADER},{name},no\n" + "\n".join(lines) + "\n"


@pytest.fixture
def hint(read):
    def _hint(text, **keys):
        log = read(text, hints=True, known_warnings=["few-returns"], **keys)
        return {warning.code: warning for warning in log.quality.warnings}

    return _hint


def _proposed(found):
    (_, text) = found.text.split("data.columns.amount: ")
    return yaml.safe_load(text.removesuffix(" takes them off"))


@pytest.mark.parametrize(
    ("name", "sale", "credit"),
    [
        ("Type", "Invoice", "Credit note"),
        ("Type", "Charge", "Refund"),
        ("Belegart", "Rechnung", "Gutschrift"),
        ("Belegart", "Rechnung", "Stornorechnung"),
        ("Type", "SI", "SC"),
        ("Art", "RE", "GU"),
        ("Vorgang", "Verkauf", "Retoure"),
        ("Type de pièce", "Facture", "Avoir"),
        ("Tipo", "Factura", "Abono"),
        ("S/H", "S", "H"),
        ("WKZ Soll/Haben-Kennzeichen", "H", "S"),
        ("DC", "d", "c"),
        ("Side", "DEBIT", "CREDIT"),
        ("Sign", "+", "-"),
    ],
)
def test_what_takes_money_back_is_taken_off(hint, read, name, sale, credit):
    text = _text(name, [sale, sale, sale, credit])
    codes = hint(text)
    found = codes["positive-credits"]
    assert (found.rows, found.money) == (10, 100.0)
    assert "status-column" not in codes
    amount = _proposed(found)
    log = read(text, columns={"amount": amount}, hints=True)
    assert log.quality.money_out == 200.0
    assert {(count.reason, count.rows, count.money) for count in log.quality.reasons} == {
        ("refund", 10, -100.0)
    }
    assert "positive-credits" not in [warning.code for warning in log.quality.warnings]


def test_credits_that_are_negative_come_off_by_themselves(hint):
    assert "positive-credits" not in hint(_text("Type", ["Invoice", "Credit note"], ["10", "-4"]))


def test_credits_of_which_some_are_negative_are_turned_where_they_are_positive(hint, read):
    text = _text("Type", ["Invoice", "Credit note", "Invoice", "Credit note"], ["10", "-4", "10", "6"])
    log = read(text, columns={"amount": _proposed(hint(text)["positive-credits"])})
    assert log.quality.money_out == 10 * 20 - 4 * 10 - 6 * 10


def test_payments_beside_invoices_are_left_out(hint, read):
    text = _text("Soll/Haben", ["S", "H"])
    found = hint(text)["credits-beside-debits"]
    assert (found.rows, found.money) == (20, 200.0)
    (_, condition) = found.text.split("data.where: ")
    where = yaml.safe_load(condition.removesuffix(" takes one side"))
    assert read(text, where=where).quality.money_out == 200.0
    assert "credits-beside-debits" not in hint(_text("Soll/Haben", ["S", "H"], ["10", "-4"]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Size", ["S", "H"]),
        ("Order Status", ["Invoice", "Refund"]),
        ("Type", ["Refund", "Gutschrift"]),
        ("Type", ["Refunded", "Paid"]),
        ("Article", ["Retourbeutel", "Abonnement"]),
        ("Marque", ["Avoir-Vivre", "Autre"]),
        ("Payment type", ["Credit", "Debit"]),
        ("Card", ["credit", "debit"]),
        ("Unit", ["IN", "CM"]),
        ("Newsletter", ["+", "-"]),
    ],
)
def test_other_words_turn_no_sign(hint, name, words):
    assert not {"positive-credits", "credits-beside-debits"} & set(hint(_text(name, words)))


def test_an_order_that_was_refunded_is_left_out(hint):
    assert "status-column" in hint(_text("Order Status", ["paid", "paid", "refund"]))
