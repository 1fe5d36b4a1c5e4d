"""Attributes as features: what was known at a cutoff, and the codes that a model reads."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from clvml.customers.attributes import Attribute, usable_attributes
from clvml.customers.snapshots import CustomerDays
from clvml.errors import InputError
from clvml.log.attribute_table import AttributeColumn, AttributeTable

PLAN = AttributeColumn("attribute_plan", "plan", "category")
BORN = AttributeColumn("attribute_seen", "seen", "date")


@pytest.fixture
def days():
    """Return a function that gives the days of customers a, b and c, with rows of attributes."""

    def _days(rows, dated):
        connection = duckdb.connect(config={"threads": 1})
        connection.execute(
            "create table log as select * from (values ('a', date '2024-01-01', 5.0), ('b', date '2024-02-01', 6.0),"
            " ('c', date '2024-03-01', 7.0)) as v(customer_id, order_day, amount)"
        )
        frame = pd.DataFrame(rows, columns=["customer_id", "valid_from", "attribute_plan", "attribute_seen"])
        frame["attribute_plan"] = frame["attribute_plan"].astype("category")
        frame = frame.astype({"valid_from": "datetime64[s]", "attribute_seen": "datetime64[s]"})
        connection.register("given", frame)
        connection.execute(
            "create table customer_attributes as select * replace (valid_from::date as valid_from,"
            " attribute_seen::date as attribute_seen) from given"
        )
        return CustomerDays(connection, "log", (), AttributeTable((PLAN, BORN), dated))

    return _days


def known(features):
    columns = features.set_index("customer_id")[["attribute_plan", "attribute_seen"]].astype(object)
    return columns.where(columns.notna(), None).T.to_dict("list")


ROWS = [
    ("a", "2023-12-01", "basic", "2023-11-01"),
    ("a", "2024-03-31", "plus", "2024-03-30"),
    ("a", "2024-04-01", "gone", "2024-03-30"),
    ("b", "2024-05-01", "basic", None),
]


def test_a_cutoff_sees_the_last_row_before_it(days):
    table = days(ROWS, dated=True)
    features = table.features(date(2024, 4, 1), 30)
    assert known(features) == {"a": ["plus", 2.0], "b": [None, None], "c": [None, None]}
    assert known(table.features(date(2024, 3, 2), 30))["a"] == ["basic", 122.0]
    assert known(table.features(date(2024, 4, 2), 30))["a"][0] == "gone"


def test_a_row_without_a_day_holds_for_all_time_but_for_later_dates(days):
    table = days([("a", None, "basic", "2024-02-01"), ("b", None, "plus", "2024-01-31")], dated=False)
    assert known(table.features(date(2024, 2, 2), 30)) == {"a": ["basic", 1.0], "b": ["plus", 2.0]}
    early = table.features(date(2024, 2, 1), 30)
    assert known(early) == {"a": ["basic", None]}
    assert table.dates_not_before(date(2024, 2, 1)) == {"attribute_seen": (1, 1)}
    snapshots = table.snapshots([date(2024, 2, 2)], 60)
    assert list(snapshots["attribute_plan"].astype(str)) == ["basic", "plus"]
    few = table.snapshots([date(2024, 2, 2)], 60, features=["spend_sum"])
    assert "attribute_plan" not in few


def test_rare_values_share_a_code_and_values_never_seen_have_it_too():
    values = pd.Series(["web"] * 30 + ["store"] * 20 + ["kiosk"] * 19 + ["fair"] + [None] * 5)
    channel = Attribute("attribute_channel", "channel", "category").with_levels(values)
    assert (channel.levels, channel.has_rare) == (("web", "store"), True)
    asked = pd.Series(["store", "web", "fair", "never seen", None])
    assert channel.read(asked).tolist()[:4] == [1.0, 0.0, 2.0, 2.0]
    assert np.isnan(channel.read(asked)[4])
    few = Attribute("attribute_channel", "channel", "category").with_levels(values[:55])
    assert few.has_rare is False
    assert np.isnan(few.read(pd.Series(["never seen"]))).all()


def test_a_category_reads_numbers_and_a_number_reads_texts_of_numbers():
    plan = Attribute("attribute_plan", "plan", "category", ("1", "2.5"))
    assert plan.read(pd.Series([2.5, 1.0, np.nan]))[:2].tolist() == [1.0, 0.0]
    age = Attribute("attribute_age", "age", "number")
    assert age.read(pd.Series(["31", None, "4.5"])).tolist()[::2] == [31.0, 4.5]
    with pytest.raises(InputError, match="'age' was a number in training and holds 'old' now"):
        age.read(pd.Series(["31", "old"]))


def test_columns_that_tell_nobody_apart_are_left_out_and_refused_where_named():
    mail = AttributeColumn("attribute_mail", "mail", "category", "is almost unique")
    both = AttributeTable((PLAN, mail), dated=False)
    usable, note = usable_attributes(both)
    assert [one.column for one in usable] == ["plan"]
    assert note == "attributes left out: 'mail' is almost unique"
    with pytest.raises(
        InputError, match=r"'mail' is almost unique; leave them out of data\.attributes\.columns"
    ):
        usable_attributes(both, named=["plan", "mail"])
    with pytest.raises(InputError, match=r"leave data\.attributes out"):
        usable_attributes(AttributeTable((mail,), dated=False))
    assert usable_attributes(None) == ((), "")
