"""Amounts that are something else than the money of a line."""

import pytest


def _found(read, names, cells, **columns):
    lines = "".join(f"{n % 9},2024-01-{n % 28 + 1:02},{cells(n)}\n" for n in range(40))
    log = read(f"customer,day,{names}\n{lines}", columns=columns, hints=True, duplicates="keep")
    return {warning.code: warning.text for warning in log.quality.warnings}


@pytest.mark.parametrize(
    ("name", "cell", "money"),
    [
        ("amount_cents", "1250", "amount_cents / 100"),
        ("Total (in cents)", "999", '"Total (in cents)" / 100'),
        ("Umsatz TEUR", "1.5", '"Umsatz TEUR" * 1000'),
        ("Revenue in k€", "12", '"Revenue in k€" * 1000'),
        ("amount_cents", "12.50", ""),
        ("Percent", "12", ""),
        ("Centre", "12", ""),
        ("amount", "1250", ""),
    ],
)
def test_cents_and_thousands(read, name, cell, money):
    found = _found(read, name, lambda n: cell, amount=name)
    assert ("amounts-in-other-units" in found) == bool(money)
    assert money in found.get("amounts-in-other-units", "")


def test_stripe_counts_in_cents(read):
    found = _found(read, "who,amount", lambda n: f"cus_{n % 7},{1000 + n}", customer_id="who")
    assert '"amount / 100"' in found["amounts-in-other-units"]
    assert "amounts-in-other-units" not in _found(
        read, "who,amount", lambda n: f"cus_{n % 7},{n}.50", customer_id="who"
    )


@pytest.mark.parametrize(
    ("names", "cells", "told"),
    [
        ("amount,Price", "2,19.90", True),
        ("amount,Price", "39.80,19.90", False),
        ("amount,Price", "2,1", False),
        ("amount,Price,Qty", "2,19.90,2", False),
    ],
)
def test_a_number_of_units_that_is_called_an_amount(read, names, cells, told):
    assert ("amounts-are-quantities" in _found(read, names, lambda n: cells)) == told


@pytest.mark.parametrize(
    ("cells", "code", "proposed"),
    [
        (lambda n: f"1,{'' if n % 10 == 0 else '-'}10", "amounts-mostly-negative", '"0 - amount"'),
        (lambda n: f"1,{'-' if n % 3 == 0 else ''}10", "", ""),
        (
            lambda n: f"{1 if n % 4 else -1},10",
            "returns-are-positive",
            "case when Qty < 0 then -amount else amount end",
        ),
        (lambda n: f"{1 if n % 4 else -1},{10 if n % 4 else -10}", "", ""),
    ],
)
def test_signs_that_are_the_wrong_way_round(read, cells, code, proposed):
    found = _found(read, "Qty,amount", cells, quantity="Qty")
    assert {"amounts-mostly-negative", "returns-are-positive"} & set(found) == ({code} - {""})
    assert proposed in found.get(code, "")
