"""Totals between the lines, and headers that come again."""

import pytest

from clvml.errors import InputError

HEADER = "customer,day,amount\n"
BLOCKS = (
    "ann,2024-01-05,10\nann,2024-01-06,5\nSubtotal ann,2024-01-06,15\n"
    "bob,2024-01-05,7.10\nbob,2024-01-07,1.30\nbob,2024-01-08,2\nSubtotal bob,2024-01-08,10.40\n"
)


@pytest.mark.parametrize("end", ["", "Grand total,2024-01-08,25.40\n"])
def test_totals_of_customers_are_no_customers(read, rows, reasons, end):
    log = read(HEADER + BLOCKS + end)
    assert {row[0] for row in rows(log)} == {"ann", "bob"}
    assert log.quality.money_out == 25.4
    money = 25.4 if not end else 50.8
    assert reasons(log) == {("total line", "rejected"): (2 if not end else 3, money)}


LINES = "".join(f"c{n % 7},2024-01-{n % 28 + 1:02},{n}.50\n" for n in range(40))
TOP = ["Grand total,2024-01-31,800", "Grand total,,800", ",,800", ",Total,800"]
ABOVE = "Total ann,2024-01-06,9\nann,2024-01-05,7\nann,2024-01-06,2\nTotal bob,,9\nbob,2024-01-07,7\nbob,2024-01-08,2"
BY_DAY = "ann,2024-01-05,10\nbob,2024-01-05,5\n,2024-01-05 Total,15\nann,2024-01-06,4\n,2024-01-06 Total,4\n"


@pytest.mark.parametrize(
    ("text", "money", "totals"),
    [
        *((f"{top}\n{LINES}", 800, 1) for top in TOP),
        (f"{LINES}Grand total,2024-01-31,800\n", 800, 1),
        (f"Grand total,,18\n{ABOVE}", 18, 3),
        (ABOVE.replace("Total ann", "ann Ergebnis").replace("Total bob,,", "bob Ergebnis,2024-01-08,"), 18, 2),
        (BY_DAY, 19, 2),
        # As tills close a day.
        (BY_DAY.replace("2024-01-05 Total", "Z-Bericht 1").replace("2024-01-06 Total", "Tagesabschluss"), 19, 2),
        # Cells that stand in the first line of a group are found below a total, too.
        (",,50\n" + "".join(f"c{n},2024-01-0{n},7\n,,{n}\n" for n in range(1, 6)) + "Total,,50\n", 50, 2),
    ],
)  # fmt: skip
def test_totals_above_and_below(read, reasons, text, money, totals):
    log = read(HEADER + text, max_unreadable=0.01)
    assert log.quality.money_out == money
    assert reasons(log)["total line", "rejected"][0] == totals


@pytest.mark.parametrize(
    "lines",
    [
        # A customer who is called so, and sums that are none.
        "Total Energies,2024-01-05,10\nann,2024-01-06,5\nTotal Energies,2024-01-07,99\n",
        "ann,2024-01-05,10\nTotal,2024-01-06,10\n",
        # At one price each of them is as much as the line above.
        "ann,2024-01-05,10\nTotal,2024-01-06,10\nbob,2024-01-07,10\nTotal,2024-01-08,10\n",
        "ann,2024-01-05,10\nTotal,2024-01-06,10\nann,2024-01-07,3\nTotal,2024-01-08,8\n",
    ],
)
def test_what_is_called_a_total_and_is_no_sum_stays(read, reasons, lines):
    log = read(HEADER + lines)
    assert reasons(log) == {}


@pytest.mark.parametrize(("order", "lines"), [("A3", 4), ("", 3), ("Total", 3)])
def test_a_single_order_that_is_as_much_as_all_above_stays(read, order, lines):
    text = (
        f"ann,2024-01-05,10,A1\nbob,2024-01-06,20,A2\nTotal Wine,2024-01-07,30,{order}\nann,2024-01-08,5,A4\n"
    )
    report = read("customer,day,amount,order\n" + text, columns={"order_id": "order"}).quality
    assert report.rows_out == lines


def test_headers_that_come_again_are_left_out_however_many(read, rows, reasons):
    body = "".join(
        f"c{n % 7},2024-01-{n % 28 + 1:02},{n}\n{HEADER if n % 5 == 0 else ''}" for n in range(1, 41)
    )
    log = read(HEADER + body, max_unreadable=0.01)
    assert reasons(log) == {("header line", "rejected"): (8, 0.0)}
    assert log.quality.rows_out == 40


def test_a_customer_who_is_called_as_the_column_stays(read, rows):
    assert rows(read(HEADER + "customer,2024-01-05,10\nann,2024-01-05,10\n"), "customer_id") == [
        ("ann",),
        ("customer",),
    ]


def _orders(kinds, amounts, rows=30):
    """Return a log of orders of several lines, each with a kind."""
    lines = [
        f"c{n % 7},2024-01-{n % 28 + 1:02},{amount * (n + 1):.2f},{n},{kind}"
        for n in range(rows)
        for kind, amount in zip(kinds, amounts, strict=True)
    ]
    return "customer,day,amount,no,kind\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("kinds", "amounts", "marks", "rows"),
    [
        (["Item", "Discount", "VAT", "Order total"], [10, -1, 1.71, 10.71], "'Order total'", 30),
        (["Sale", "Sale line", "Sale line", "Payment"], [7, 3, 4, 7], "'Payment', 'Sale'", 60),
    ],
)
def test_totals_among_the_lines_of_an_order(read, kinds, amounts, marks, rows):
    text = _orders(kinds, amounts)
    keys = {"columns": {"order_id": "no"}, "hints": True}
    found = {warning.code: warning for warning in read(text, **keys).quality.warnings}["totals-among-lines"]
    assert found.rows == rows
    assert f'data.where: "kind not in ({marks})" leaves these out' in found.text
    left = read(text, where=f"kind not in ({marks})", **keys).quality
    assert left.money_out == pytest.approx(found.money / (rows / 30))
    assert "totals-among-lines" not in [warning.code for warning in left.warnings]


def test_totals_of_orders_that_name_no_article(read):
    """eBay writes a line for an order of several articles above those of the articles."""
    text = _orders(["", "A1", "A2"], [7, 3, 4]) + "".join(f"c{n},2024-01-05,5,x{n},A{n}\n" for n in range(9))
    keys = {"columns": {"order_id": "no"}, "hints": True}
    found = {warning.code: warning for warning in read(text, **keys).quality.warnings}["totals-among-lines"]
    assert 'data.where: "kind is not null" leaves these out' in found.text
    assert read(text, where="kind is not null", **keys).quality.rows_out == 69


@pytest.mark.parametrize(
    ("kinds", "amounts"), [(["a", "b", "c"], [1, 2, 4]), (["a", "b"], [5, 5]), (["a", "b", "c"], [5, 5, 5])]
)
def test_orders_without_a_total(read, kinds, amounts):
    warnings = read(_orders(kinds, amounts), columns={"order_id": "no"}, hints=True).quality.warnings
    assert "totals-among-lines" not in [warning.code for warning in warnings]


def _spent(amounts):
    lines = [f"c{n % 10},{2020 + n // 10 // 12}-{n // 10 % 12 + 1:02}-05,{amounts(n)}" for n in range(200)]
    return "customer,day,amount\n" + "\n".join(lines) + "\n"


def test_amounts_that_only_grow_are_what_was_spent_so_far(read):
    found = {warning.code: warning for warning in read(_spent(lambda n: 10 + n), hints=True).quality.warnings}
    assert found["amounts-only-grow"].rows == 190
    for other in (lambda n: 10, lambda n: 10 + n * 7 % 13, lambda n: 10 + n if n % 20 else 5):
        codes = [warning.code for warning in read(_spent(other), hints=True).quality.warnings]
        assert "amounts-only-grow" not in codes


SUMMARY = [
    "Month,Revenue,Orders\n2024-01,100,4\n2024-02,90,3\n",
    "Month,Revenue,Orders,Share\n2024-01,100,4,52 %\n",
]


@pytest.mark.parametrize("gap", ["\n", ",,\n", ""])
@pytest.mark.parametrize("summary", SUMMARY)
def test_another_table_below_is_no_reason_to_refuse(read, reasons, gap, summary):
    log = read(f"{HEADER}{LINES}{gap}{summary}", max_unreadable=0.01)
    assert log.quality.rows_out == 40
    lines = summary.count("\n")
    assert reasons(log)["line of another table below", "rejected"][0] == lines
    (finding,) = [each for each in log.quality.warnings if each.code == "other-table-below"]
    # LINES has 40 lines below the header.
    assert finding.rows == lines and f"line {42 + (gap != '')} begins another" in finding.text


def test_a_second_half_with_other_dates_is_no_table(read):
    half = "".join(f"c{n % 7},{n % 28 + 1:02}|01|24,{n}.50\n" for n in range(40))
    with pytest.raises(InputError, match=r"41 of 81 texts are no date"):
        read(f"{HEADER}{LINES}region,note,remark\n{half}", max_unreadable=0.01)


def test_words_above_the_last_date_begin_no_table(read):
    with pytest.raises(InputError, match="are no date"):
        read(f"{HEADER}x,soon,much\n{LINES}x,soon,5\nann,2024-01-05,5\n", max_unreadable=0.01)
