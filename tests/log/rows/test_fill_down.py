"""Customer, date and order that stand in the first line of a group only."""

from datetime import datetime

import duckdb
import pytest
from tests.log.workbooks import write_xlsx

from clvml.config import DataConfig
from clvml.engines.spark import read_lines
from clvml.errors import InputError
from clvml.workflows import assume_config

HEADER = "customer,no,day,amount,item,State\n"
COLUMNS = {"order_id": "no", "product_id": "item"}
REPORT = (
    HEADER
    + "ann,1,2024-01-05,10,a,paid\n,,,20.50,b,\n,,,3,c,\nbob,2,2024-01-06,4,a,void\n,,,6,b,\n"
    + "ann,3,2024-01-07,7,c,paid\n,,,8,d,\n,,,9,e,\n"
)
FILLED = ("empty cells as in the line above (data.fill_down)", "changed")


def _codes(log):
    return [warning.code for warning in log.quality.warnings]


def test_lines_without_customer_date_and_order_are_of_the_group_above(read, rows, reasons):
    log = read(REPORT, columns=COLUMNS)
    assert rows(log, "customer_id, order_id, order_day::VARCHAR, amount") == [
        *(("ann", "1", "2024-01-05", amount) for amount in (3.0, 10.0, 20.5)),
        *(("ann", "3", "2024-01-07", amount) for amount in (7.0, 8.0, 9.0)),
        *(("bob", "2", "2024-01-06", amount) for amount in (4.0, 6.0)),
    ]
    assert reasons(log) == {FILLED: (5, 46.5)}
    (found,) = [warning for warning in log.quality.warnings if warning.code == "filled-down"]
    assert (found.rows, found.money) == (5, 46.5)
    assert "filled-down" not in _codes(read(REPORT, columns=COLUMNS, fill_down=True))


def test_a_status_that_stands_in_the_first_line_holds_for_the_group(read, reasons):
    log = read(REPORT, columns=COLUMNS, where="State = 'paid'")
    assert log.quality.money_out == 57.5
    # A column that lines fill themselves is theirs.
    kept = read(REPORT.replace("3,c,", "3,c,gift"), columns=COLUMNS, where="State = 'paid'")
    assert reasons(kept)["not in data.where", "dropped"] == (6, 50.5)


def test_filling_can_be_forbidden(read, reasons):
    log = read(REPORT, columns=COLUMNS, fill_down=False)
    assert reasons(log) == {
        ("missing customer id", "rejected"): (3, 29.5),
        ("total line", "rejected"): (2, 17.0),
    }
    assert "filled-down" not in _codes(log)


@pytest.mark.parametrize("total", [",,,67.50,,", "Total,,,67.50,,", ",,,67.50,Summe,"])
def test_the_total_below_the_last_group_is_none_of_its_lines(read, reasons, total):
    log = read(f"{REPORT}{total}\n", columns=COLUMNS)
    assert reasons(log) == {FILLED: (5, 46.5), ("total line", "rejected"): (1, 67.5)}


@pytest.mark.parametrize("share", [1.0001, 1.19, 0.95])
def test_a_total_that_is_rounded_or_with_tax_is_none_of_the_last_customers_lines(read, reasons, share):
    report = HEADER + "".join(f"c{n % 5},{n},2024-01-{n:02},{n}.40,a,\n,,,{n}.10,b,\n" for n in range(1, 21))
    log = read(f"{report},,,{430 * share:.2f},,\n", columns=COLUMNS)
    assert reasons(log)["total line", "rejected"][0] == 1
    assert log.quality.money_out == 430.0


def test_payments_below_their_invoices_are_none_of_their_lines(read, reasons):
    report = HEADER + "".join(f"c{n % 5},{n},2024-01-{n:02},{n}.40,a,\n,,,-{n}.40,,\n" for n in range(1, 21))
    log = read(report, columns=COLUMNS)
    assert FILLED not in reasons(log)
    assert log.quality.money_out == 218.0


def test_totals_below_some_of_the_orders_are_none_of_their_lines(read, reasons):
    lines = (
        f"c{n % 5},{n},2024-01-{n:02},{n},a,\n,,,{n + 1},b,\n" + (f",,,{2 * n + 1},,\n" if n % 3 == 0 else "")
        for n in range(1, 21)
    )
    assert FILLED not in reasons(read(HEADER + "".join(lines), columns=COLUMNS))


def test_merged_cells_of_a_workbook(read, tmp_path, rows):
    lines = [line.split(",") for line in REPORT.splitlines()]
    cells = [lines[0], *([*line[:3], float(line[3]), *line[4:]] for line in lines[1:])]
    write_xlsx(tmp_path / "report.xlsx", {"Orders": [[cell or None for cell in line] for line in cells]})
    log = read(source=tmp_path / "report.xlsx", columns=COLUMNS)
    assert rows(log, "customer_id, order_id, amount") == rows(
        read(REPORT, columns=COLUMNS), "customer_id, order_id, amount"
    )


def test_a_computed_amount_counts_in_the_lines_below(read):
    text = "customer,day,price,qty\nann,2024-01-05,5,2\n,,4,3\n,,1,1\nbob,2024-01-06,2,2\n,,7,1\n"
    log = read(text, columns={"amount": "price * qty"})
    assert log.quality.money_out == 34.0


def test_a_group_without_a_customer_stays_one_of_a_guest(read, reasons):
    text = REPORT.replace("bob,2", ",2")
    log = read(text, columns=COLUMNS)
    assert reasons(log)["missing customer id", "rejected"] == (2, 10.0)
    assert log.quality.money_out == 57.5


@pytest.mark.parametrize(
    "lines",
    [
        # Guests have a date, and customers come again.
        "ann,1,2024-01-05,10\n,2,2024-01-05,20\n,3,2024-01-06,5\nann,4,2024-01-07,8\n",
        # Sums below each customer, and above the lines of an order.
        "ann,1,2024-01-05,10\nann,2,2024-01-06,5\n,,,15\nbob,3,2024-01-05,4\nbob,4,2024-01-05,5\n,,,9\n",
        "ann,1,2024-01-05,30\n,,,10\n,,,20\nbob,2,2024-01-06,9\n,,,4\n,,,5\nann,3,2024-01-07,8\n,,,8\n",
        # An order of which nobody knows whose it is, and one without a day.
        "ann,1,2024-01-05,10\n,2,,20\n,3,,5\nann,4,2024-01-07,8\n",
        "ann,1,2024-01-05,10\nbob,,,20\n,,,5\nann,4,2024-01-07,8\n",
        # Nothing stands above.
        ",,,20\n,,,5\nann,4,2024-01-07,8\nann,5,2024-01-09,8\n",
    ],
)
def test_other_empty_cells_are_left_as_they_are(read, reasons, lines):
    log = read(f"customer,no,day,amount\n{lines}", columns={"order_id": "no"})
    assert FILLED not in reasons(log)
    assert "filled-down" not in _codes(log)


def test_a_few_such_lines_among_many_are_remarks(read, reasons):
    lines = [f"c{number % 9},{number},2024-01-{number % 28 + 1:02},{number}" for number in range(100)]
    lines[40:40] = [",,,5", ",,,6"]
    log = read("customer,no,day,amount\n" + "\n".join(lines) + "\n", columns={"order_id": "no"})
    assert FILLED not in reasons(log)


def _grouped_by_customer():
    lines = [
        f"{f'c{number}' if line == 0 else ''},2024-01-{line + 1:02},{number + line}"
        for number in range(12)
        for line in range(4)
    ]
    return "customer,day,amount\n" + "\n".join(lines) + "\n"


def test_customers_in_the_first_line_of_their_orders_may_be_followed_by_guests(read, rows, reasons):
    log = read(_grouped_by_customer())
    found = {warning.code: warning for warning in log.quality.warnings}["customer-in-first-line"]
    assert (found.rows, reasons(log)) == (36, {("missing customer id", "rejected"): (36, found.money)})
    log = read(_grouped_by_customer(), fill_down=True)
    assert rows(log, "DISTINCT customer_id, count(*) OVER (PARTITION BY customer_id)") == [
        (f"c{number}", 4) for number in sorted(range(12), key=str)
    ]
    assert "customer-in-first-line" not in _codes(log)
    assert "customer-in-first-line" not in _codes(read(_grouped_by_customer(), fill_down=False))
    again = read(_grouped_by_customer() + "c3,2024-02-01,5\n")
    assert "customer-in-first-line" not in _codes(again)


def test_asked_for_dates_stay_with_their_customer(read, reasons):
    text = "customer,day,amount\nann,2024-01-05,1\n,2024-01-06,2\n,,4\nbob,,8\n,2024-01-07,16\n"
    log = read(text, fill_down=True)
    assert reasons(log) == {FILLED: (3, 22.0), ("missing date", "rejected"): (1, 8.0)}


def test_a_table_of_a_database_has_no_line_above(stored, read, reasons):
    rows = ["('ann', '2024-01-05', 1)", "(NULL, NULL, 2)", "(NULL, NULL, 4)"]
    source = stored("orders", "customer varchar(9), day date, amount double precision", rows)
    sign = "&" if "?" in source else "?"
    log = read(source=f"{source}{sign}table=orders")
    assert FILLED not in reasons(log)


def test_parquet_may_be_in_no_order(read, reasons, tmp_path):
    path = tmp_path / "lines.parquet"
    duckdb.sql(
        "SELECT * FROM (VALUES ('ann', DATE '2024-01-05', 1), (NULL, NULL, 5), (NULL, NULL, 4),"
        " ('bob', '2024-01-06', 9)) AS lines (customer, day, amount)"
    ).write_parquet(str(path))
    assert FILLED not in reasons(read(source=path))
    assert reasons(read(source=path, fill_down=True))[FILLED] == (2, 9.0)


def test_spark_has_no_line_above():
    data = DataConfig.model_validate(
        {
            "source": "orders.csv",
            "columns": {"customer_id": "c", "order_date": "d", "amount": "a"},
            "fill_down": True,
        }
    )
    with pytest.raises(InputError, match=r"data\.fill_down=false"):
        read_lines(None, data, "orders.csv", datetime(2024, 6, 1), None)


BY_CUSTOMER = (
    'Sales by Customer Detail\n"January - December, 2024"\n\n,Date,Type,Num,Amount,Balance\nann,,,,,\n'
    ",01/15/2024,Invoice,1,10.00,10.00\n,02/15/2024,Invoice,2,5.00,15.00\nTotal for ann,,,,15.00,\nbob,,,,,\n"
    ",01/16/2024,Invoice,3,7.00,7.00\nTotal for bob,,,,7.00,\nTOTAL,,,,22.00,\n"
)


def test_customers_in_lines_of_their_own_are_those_of_the_lines_below(tmp_path, read, rows):
    path = tmp_path / "report.csv"
    path.write_text(BY_CUSTOMER)
    columns = assume_config(str(path)).data.columns.mapped()
    assert columns["customer_id"] == "column_1"
    log = read(source=path, columns=columns)
    assert rows(log, "customer_id, amount") == [("ann", 5.0), ("ann", 10.0), ("bob", 7.0)]
    assert "filled-down" in _codes(log)
    # Below a total nobody knows whose a line is.
    path.write_text(BY_CUSTOMER.replace("bob,,,,,\n", "\n") + "eve,,,,,\n,03/15/2024,Invoice,4,1.00,1.00\n")
    assert rows(read(source=path, columns=columns), "customer_id") == [("ann",), ("ann",), ("eve",)]
    with pytest.raises(InputError, match="no line of"):
        read(source=path, columns=columns, fill_down=False)


def _blocks(customers, total="Sum {}"):
    """Return blocks of three lines with a total; ``customers`` are those in the lines of each."""
    text, amount = "customer,day,amount\n", 0
    for block, names in enumerate(customers):
        before = amount
        for line, name in enumerate(names):
            amount += 10 + line
            text += f"{name},2024-01-{block + 1:02}, {10 + line}\n"
        text += f"{total.format(names[0])},,{amount - before}\n"
    return text


def test_customers_in_the_first_line_above_a_total_are_those_of_all_its_lines(read, reasons):
    log = read(_blocks([("ann", "", ""), ("bob", "", ""), ("cem", "", "")]))
    assert log.quality.money_out == 99 and log.quality.customers == 3
    assert reasons(log)[FILLED] == (6, 69.0)
    (found,) = [warning for warning in log.quality.warnings if warning.code == "filled-down"]
    assert (found.rows, found.money) == (6, 69.0)


@pytest.mark.parametrize(
    "customers",
    [
        # Totals of days, in which guests bought as well.
        [("ann", "", ""), ("bob", "", "ann"), ("cem", "", "")],
        [("ann", "", ""), ("", "", "bob"), ("cem", "", "")],
        [("ann", "bob", ""), ("bob", "ann", ""), ("cem", "ann", "")],
        [("ann", "", ""), ("bob", "", "")],
    ],
)
def test_lines_above_other_totals_may_be_of_guests(read, reasons, customers):
    log = read(_blocks(customers, total="Total"))
    assert FILLED not in reasons(log)
    assert reasons(log)["missing customer id", "rejected"][0] == sum(names.count("") for names in customers)
