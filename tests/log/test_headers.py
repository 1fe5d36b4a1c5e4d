"""Where a table begins."""

import pytest

from clvml.log.headers import column_names, find_header

PLAIN = ["customer", "day", "amount"]
VALUES = ["ann", "2024-01-05", "10"]


@pytest.mark.parametrize(
    "above",
    [
        [],
        [["Orders 2024"]],
        [["Orders 2024", "", ""], ["printed on", "", ""]],
        [["Shop", "Main Street", "7", "Springfield"], ["", "", ""]],
    ],
)
def test_titles_stand_above(above):
    assert find_header([*above, PLAIN, VALUES, VALUES]) == len(above)


@pytest.mark.parametrize(
    "records",
    [
        [PLAIN],
        [["one"], ["1"], ["2"]],
        [["", "day", "amount"], VALUES],
        [["2019", "2020", "2021"], ["a", "b", "c"]],
        [["customer", "", ""], VALUES, VALUES],
        [],
    ],
)
def test_else_the_first_line_is_it(records):
    assert find_header(records) == 0


def test_names_are_trimmed_and_told_apart():
    names, repeated = column_names(["a", "", "a ", "A", "Order\r\n date", ""])
    assert names == ("a", "column_2", "a_2", "A", "Order date", "column_6")
    assert repeated == {"a"}
