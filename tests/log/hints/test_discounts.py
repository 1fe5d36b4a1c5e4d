"""Discounts in a column beside quantity and unit price."""

import pytest

from clvml.workflows import assume_config

NET = "Qty * Price"


def _text(names, *columns):
    rows = (f"c{n % 9},2024-01-{n % 28 + 1:02},{n % 3 + 1},10.00" for n in range(60))
    cells = (",".join(column[n % len(column)] for column in columns) for n in range(60))
    lines = (",".join(pair) for pair in zip(rows, cells, strict=True))
    return "\n".join([f"customer,day,Qty,Price,{names}", *lines]) + "\n"


@pytest.mark.parametrize(
    ("text", "amount", "money"),
    [
        (_text("Discount %", ["", "10", "5"]), f'{NET} - {NET} * "Discount %" / 100', 1130),
        (_text("Rabatt", ["", "10%", "5 %"]), f"{NET} - {NET} * Rabatt / 100", 1130),
        (_text("Remise (%)", ["0", "-10", "-2.5"]), f'{NET} + {NET} * "Remise (%)" / 100', 1145),
        (_text("Sconto %,Total discount", [""], ["1"]), None, 1200),
        (_text("Discount %", ["0", "0.1", "0.2"]), None, 1200),
        (_text("Discount code", ["10", "20"]), None, 1200),
    ],
)
def test_a_discount_in_percent_comes_off_where_header_and_values_say_so(tmp_path, read, text, amount, money):
    path = tmp_path / "orders.csv"
    for above in ("", "Report of sales\n\n"):
        path.write_text(above + text)
        config = assume_config(
            str(path), ["data.columns.customer_id=customer", "data.columns.order_date=day"]
        )
        assert config.data.columns.amount == (amount or NET)
        log = read(source=path, columns={"amount": config.data.columns.amount}, hints=True)
        assert log.quality.money_out == money
        told = "discount-not-taken-off" in [warning.code for warning in log.quality.warnings]
        assert told == (amount is None and "code" not in text)


@pytest.mark.parametrize(
    ("text", "amount", "proposed"),
    [
        (_text("Discount", ["0", "0.15", "0.2"]), NET, f'"{NET} - {NET} * Discount" takes them off if they are shares'),
        (_text("Discount", ["0", "3"]), NET, f'"{NET} - Discount" takes them off if they are of the line'),
        (_text("Total,Disc. %", ["10.00", "20.00", "30.00"], ["0", "10", "5"]), "Total", '/ 100\' takes them off'),
        (_text("Total,Disc. %", ["10.00", "18.00", "28.50"], ["0", "10", "5"]), "Total", ""),
        (_text("Discount", ["0", "3"]), "Qty * Price - Discount", ""),
        (_text("Price after discount", ["9"]), NET, ""),
        (_text("Preis nach Rabatt", ["9"]), NET, ""),
    ],
)  # fmt: skip
def test_discounts_that_are_not_taken_off_are_told(read, text, amount, proposed):
    warnings = read(text, columns={"amount": amount}, hints=True).quality.warnings
    found = {warning.code: warning.text for warning in warnings}.get("discount-not-taken-off", "")
    assert proposed in found
    assert bool(found) == bool(proposed)
