"""Who a customer id stands for."""

import pytest

HEADER = "customer,day,amount\n"


def _log(lines):
    """Return a file with lines of ``{customer: how many}``, each on a day of its own and of 10.00."""
    return HEADER + "".join(
        f"{customer},2024-{day // 28 + 1:02}-{day % 28 + 1:02},10\n"
        for customer, count in lines.items()
        for day in range(count)
    )


USUAL = {f"c{number}": 2 for number in range(30)}


@pytest.fixture
def codes(read):
    def _codes(text, **keys):
        return {found.code: found for found in read(text, **keys).quality.warnings}

    return _codes


@pytest.mark.parametrize(
    "name",
    [
        *(
            "0",
            "000",
            "-1",
            "-",
            "--",
            "guest",
            "Guest",
            "GAST",
            "(not set)",
            "unknown",
            "Anonymous",
            "invité",
            "???",
        ),
        *("nil", "guest@shop.example", "no-email@shop.example", "Walk-in customer", "undefined"),
    ],
)
def test_an_id_of_nobody(codes, read, name):
    text = _log({**USUAL, name: 20})
    found = codes(text)["guest-customer"]
    assert (found.rows, found.money) == (20, 200.0)
    assert repr(name) in found.text
    log = read(text, guests="reject")
    assert log.quality.rows_out == 60
    assert {("customer id of nobody (data.guests)", 20)} == {
        (count.reason, count.rows) for count in log.quality.reasons if count.treatment == "rejected"
    }
    assert "guest-customer" not in codes(text, guests="keep")
    assert "guest-customer" not in codes(text, known_warnings=["guest-customer"])


@pytest.mark.parametrize(
    "name", ["Augusta", "guestrow", "10", "100", "c0", "Zero", "李", "n7", "unknownsoldier"]
)
def test_an_id_of_somebody(codes, read, name):
    text = _log({**USUAL, name: 20})
    assert not {"guest-customer", "placeholder-customer"} & set(codes(text))
    assert read(text, guests="reject").quality.rows_out == read(text).quality.rows_out


def test_customer_zero_with_as_many_lines_as_others_is_a_customer(codes):
    assert "guest-customer" not in codes(_log({"0": 2, **USUAL}))


def test_ids_of_one_character_and_ids_that_the_user_names(codes, read):
    text = _log({**USUAL, "99999": 30})
    assert "data.guest_ids: ['99999']" in codes(text)["placeholder-customer"].text
    assert read(text, guests="reject", guest_ids=["99999", "C1"]).quality.rows_out == 58
    assert read(text, guests="reject", guest_ids=["9.*", "c"]).quality.rows_out == 90


def test_ids_that_differ_in_case_blanks_and_zeros(codes, read, rows):
    text = _log({**USUAL, "Ann Lee": 2, "ann lee": 1, "annlee": 1, "0042": 1, "42": 2})
    found = codes(text)
    assert (found["ids-differ-in-case"].rows, found["ids-differ-in-zeros"].rows) == (4, 7)
    folded = read(text, customer_ids="casefold")
    assert folded.quality.customers == 30 + 3
    assert read(text, customer_ids="loose").quality.customers == 30 + 2
    assert not {"ids-differ-in-case", "ids-differ-in-zeros"} & set(codes(text, customer_ids="as_is"))
    (changed,) = [count for count in folded.quality.reasons if count.treatment == "changed"]
    assert (changed.reason, changed.rows) == ("customer id written alike (data.customer_ids)", 3)


def test_an_id_of_zeros_is_one_id(read, rows):
    log = read(_log({"0": 1, "000": 2, " 00": 1, "10": 1}), customer_ids="loose")
    assert rows(log, "DISTINCT customer_id") == [("0",), ("10",)]


def test_ids_that_lost_their_digits(codes):
    found = codes(_log({**USUAL, "1.23457E+12": 3, '"4,5E+11"': 1}))["ids-in-scientific-notation"]
    assert (found.rows, found.money) == (4, 40.0)
    assert "ids-in-scientific-notation" not in codes(_log({**USUAL, "1E5": 3, "12E+3B": 3}))


def test_money_in_one_hand_and_in_few(codes):
    one = codes(_log({**USUAL, "big": 60}))["concentration"]
    assert (one.rows, one.money) == (60, 600.0)
    assert "50%" in one.text
    few = {f"c{number}": 1 for number in range(400)} | {"big": 160, "bigger": 160, "biggest": 160}
    assert "3 of 403 customers hold half" in codes(_log(few))["concentration"].text
    handful = {f"c{number}": 1 for number in range(500)} | {f"big{number}": 12 for number in range(5)}
    noisy = codes(_log(handful))["concentration"]
    assert "5 of 505 customers hold 11% of the money" in noisy.text
    assert (noisy.rows, noisy.money) == (60, 600.0)
    assert "concentration" not in codes(_log(handful | {f"big{number}": 11 for number in range(5)}))
    assert "concentration" not in codes(_log(USUAL))
    assert "concentration" not in codes(_log({"a": 90, "b": 1}))


def test_the_weightiest_comes_first(read):
    log = read(_log({**USUAL, "guest": 30, "Ann": 1, "ann": 1}))
    money = [found.money or 0 for found in log.quality.warnings]
    assert money == sorted(money, reverse=True)
    assert len(money) >= 2


def test_lines_of_an_order_in_several_files_are_no_overlap(read, tmp_path):
    header = "customer,day,amount,no,item\n"
    lines = [f"c{number % 9},2024-01-{number % 28 + 1:02},{number},{number},{{}}\n" for number in range(60)]
    (tmp_path / "a.csv").write_text(header + "".join(line.format("a") for line in lines))
    (tmp_path / "b.csv").write_text(
        header + "".join(line.replace(",", ",", 1).format("b") for line in lines[:20])
    )
    columns = {"order_id": "no", "product_id": "item"}
    log = read(source=tmp_path, columns=columns)
    assert log.quality.rows_out == 80
    assert read(source=tmp_path, columns=columns, overlaps="latest").quality.rows_out == 60


def test_a_log_of_refunds_alone_has_no_guests(codes):
    found = codes(_log(USUAL).replace(",10\n", ",-10\n"))
    assert not {"guest-customer", "placeholder-customer"} & set(found)
