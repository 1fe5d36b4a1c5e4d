"""The grammar of row filters and amounts: what it takes, what it means, and that nothing else passes."""

import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvml.errors import InputError
from clvml.expressions import DEEPEST, LONGEST, MOST_WORDS, parse_expression
from clvml.storage.sql import identifier

COLUMNS = [
    "Status",
    "Amount",
    "Amount Refunded",
    "Captured",
    "a",
    "b",
    'we"ird',
    "wei`rd",
    "ünï",
    "Order",
    "select",
]
ROW = {
    **{"Status": "Paid", "Amount": "10", "Amount Refunded": None, "Captured": "true", "a": "1", "b": "-2.5"},
    **{'we"ird': "x", "wei`rd": "Über", "ünï": "3", "Order": "it's", "select": None},
}


def _reading(name, kind):
    cell = f"{identifier(name)}"
    if kind == "truth":
        return f"({cell} = 'true')"
    return f"try_cast({cell} as double)" if kind == "number" else cell


def _value(text, kind):
    """Work an expression out over ROW."""
    sql = parse_expression(text, kind, "test", COLUMNS).sql(_reading)
    cells = ", ".join(f"?::varchar as {identifier(name)}" for name in ROW)
    with duckdb.connect() as connection:
        return connection.execute(f"select {sql} from (select {cells})", list(ROW.values())).fetchone()[0]


@pytest.mark.parametrize(
    "text, value",
    [
        ("Status = 'Paid'", True),
        ("Status == 'paid'", False),
        ("Status != 'Paid' or Captured", True),
        ("select is null", True),
        ("select = 'x'", None),
        ("select <> 'x'", None),
        ("not select = 'x'", None),
        ("select is not null", False),
        ("Status in ('Failed', 'Paid') and not a in (2, 3)", True),
        ("a not in (1, -2)", False),
        ("Amount > 9", True),
        ("Amount > '9'", False),
        ("Amount > a", True),
        ("a between -1 and 1.5", True),
        ("Amount not between a and 1e2", False),
        ("Status like 'P_id' and Status not like 'p%'", True),
        ("`wei``rd` ilike 'üb%'", True),
        ('"we""ird" = \'x\' and ünï >= 3', True),
        ("Order = 'it''s'", True),
        ("Captured = true and (Captured)", True),
        ("Captured <> false", True),
        ("a = 1 or b = 1 and b = 2", True),
        ("not a = 2 and not (b = 1 or b = 2)", True),
        ("a +\n b < 0", True),
        ("(a + select) is null", False),
        ("true", True),
    ],
)
def test_conditions(text, value):
    assert _value(text, "truth") is value


@pytest.mark.parametrize(
    "text, value",
    [
        ('Amount - "Amount Refunded"', 10.0),
        ('"Amount Refunded" - Amount', -10.0),
        ('"Amount Refunded" + select', None),
        ('"Amount Refunded" + 5', None),
        ('Amount * "Amount Refunded"', None),
        ('a - (b - (Amount - "Amount Refunded"))', 13.5),
        ("a - b - Amount", -6.5),
        ("-a - -b", -3.5),
        ("Amount * (a + b) / 3", -5.0),
        ("Amount / (a - 1)", None),
        ("2 * 3 + 4 / 8", 6.5),
        ("Amount", 10.0),
        ("Status * 2", None),
        ("case when Status = 'Paid' then -Amount else Amount end", -10.0),
        ("case when Status = 'x' then 1 when b < 0 then a * 3 else b end + 1", 4.0),
        ("2 * CASE WHEN select = 'x' THEN 1 ELSE Amount END", 20.0),
    ],
)
def test_amounts(text, value):
    assert _value(text, "number") == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "  ",
            "-- x",
            "a = 1 -- x",
            "a /* x */ = 1",
            "/*+ x */ a = 1",
            "#a",
            "a = 1;",
            "a = 1; drop table t",
        ),
        *(
            "lower(Status) = 'x'",
            "case when a = 1 then b end > 1",
            "case a when 1 then 2 else 3 end > 1",
            "case when a then 2 else Status = 'x' end > 1",
            "case when a = 1 then true else false end",
            "case when a = 1 then 2 else 3",
            "a in (select 1)",
            "(select 1) = a",
            "exists (a)",
            "a = any (1)",
            "cast(a as int) = 1",
        ),
        *(
            "a::int = 1",
            "a.b = 1",
            "a[1] = 1",
            "a -> b",
            "a || b = 'x'",
            "a % 2 = 1",
            "a ** 2 > 1",
            "a ^ 2 > 1",
        ),
        *(
            "a // b > 1",
            "a & b",
            "a <=> b",
            "a ~ 'x'",
            "a rlike 'x'",
            "a similar to 'x'",
            "a like 'x' escape '!'",
        ),
        *(
            "a = $1",
            "a = ?",
            "a = :x",
            "a = @x",
            "a = {{x}}",
            "*",
            "count(*) > 1",
            "a = *",
            "interval '1 day'",
        ),
        *(
            "case when a then b end",
            "date '2020-01-01' < a",
            "a = null",
            "a is true",
            "a is b",
            "null",
            "1",
            "'x'",
        ),
        *(
            "a = b = 1",
            "a = 1 = 2",
            "a + 'x' = 1",
            "a in ()",
            "a in (1, 'x')",
            "a in (b)",
            "a in 1",
            "a like b",
        ),
        *(
            "a like 'x\\'",
            "a = 1,",
            "(a, b) = (1, 2)",
            "a b",
            "a as b",
            "distinct a",
            "a = 'x",
            'a = "x',
            "a = `x",
        ),
        *(
            "a = 1 union select 1",
            "a = 1 limit 1",
            "a and",
            "and a",
            "a or or b",
            "()",
            "not",
            "a between 1 and",
        ),
        *(
            "0x1F = a",
            "1abc = a",
            "e'x' = a",
            "x'41' = a",
            "N'x' = a",
            "$$x$$ = a",
            "a\x00 = 1",
            "a\u200b = 1",
            "a ＝ 1",
        ),
        *(
            "a collate x = 'x'",
            "a at time zone 'x'",
            "-Status = 'x'",
            "Status = 'a' 'b'",
            "a = array[1]",
            "a isnull",
        ),
        *("not not not Captured", "- - - a > 1", "a and " * MOST_WORDS + "a", "a" * (LONGEST + 1)),
        *(
            "(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1),
            "(" * 900 + "a",
            "not - + " * 200 + "a",
            "{% raw %}",
        ),
    ],
)
def test_everything_else_is_refused_in_one_sentence(text):
    with pytest.raises(InputError, match=r"^data\.where ") as refused:
        parse_expression(text, "truth", "data.where", COLUMNS)
    assert "\n" not in str(refused.value).replace(repr(text), "")


WORDS = [
    *"ab\"'`()=<>+-*/,.;:[]{}$?#\\%_1eü\n",
    " and ",
    " in ",
    " is null",
    "--",
    "not ",
    " like ",
    "'x'",
    "(1, 2)",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_a_text_is_taken_or_refused(text):
    try:
        expression = parse_expression(text, "truth", "data.where", ["a", "b"])
    except InputError:
        return
    sql = expression.sql(lambda name, kind: {"number": "1.0", "text": "'t'", "truth": "true"}[kind])
    with duckdb.connect() as connection:
        connection.execute(f"select {sql}")


def test_deep_sums_stay_short():
    text = "a"
    for _ in range(DEEPEST):
        text = f"({text} + 1) * 2"
    assert len(parse_expression(text, "number", "test", COLUMNS).sql(_reading)) < 100_000


@pytest.mark.parametrize(
    "text, said",
    [
        ("status = 'Paid'", "names a column 'status' that is not there (did you mean 'Status'?)"),
        ('Status = "Failed"', "(a text goes in single quotes: 'Failed')"),
        ("Amount Refunded > 0", 'one name with a blank is written "Amount Refunded" at position 1'),
        ("a > 1 and lower(b) = 'x'", "calls 'lower', and functions are not allowed at position 11"),
        ("a > 1 and b::int = 1", "has '::', which is not allowed at position 12"),
        ("a + 'x' > 1", "has a text where a number is needed, ''x'' at position 5"),
        ("a > 1 or", "cannot be understood at position 7"),
    ],
)
def test_says_what_is_wrong_and_where(text, said):
    with pytest.raises(InputError, match=re.escape(said)):
        parse_expression(text, "truth", "data.where", COLUMNS)


def test_an_amount_is_no_condition():
    with pytest.raises(InputError, match="something true or false where a number is needed"):
        parse_expression("a > 1", "number", "data.columns.amount", COLUMNS)


def test_lists_the_columns_by_first_use():
    expression = parse_expression("b > 1 and Status = 'x' or b = 'y'", "truth", "test")
    assert expression.columns == ("b", "Status")
    assert expression.uses == (("b", "number"), ("Status", "text"), ("b", "text"))


def test_words_of_a_case_are_names_outside_one():
    assert parse_expression("case = 1 or end is null and then > else", "truth", "test").columns == (
        "case",
        "end",
        "then",
        "else",
    )


def test_cases_in_each_other_have_an_end():
    text = "case when a = 1 then 1 else " * (DEEPEST + 1) + "2" + " end" * (DEEPEST + 1)
    with pytest.raises(InputError, match=f"more than {DEEPEST} cases in each other"):
        parse_expression(text, "number", "test", COLUMNS)
