"""A table of customers: what its columns hold, and what of it is refused."""

from datetime import date

import pandas as pd
import pytest

from clvml.config import DataConfig
from clvml.errors import InputError
from clvml.log.attribute_reading import with_attributes, with_attributes_beside

LOG = "customer,day,amount\n" + "".join(f"c{n},2024-01-{n:02d},10\n" for n in range(1, 25))


@pytest.fixture
def joined(read, tmp_path):
    """Return a function that reads a log and a table of customers, given as text."""

    def _joined(text, log=LOG, customer_ids=None, timezone="UTC", **keys):
        path = tmp_path / "customers.csv"
        path.write_text(text)
        purchases = read(log, customer_ids=customer_ids)
        data = DataConfig.model_validate(
            {
                "source": "orders.csv",
                "columns": {"customer_id": "customer", "order_date": "day", "amount": "amount"},
                "customer_ids": customer_ids,
                "timezone": timezone,
                "attributes": {"source": str(path), **keys},
            }
        )
        return with_attributes(purchases, data)

    return _joined


def table(header, row, customers=range(1, 25)):
    return f"customer,{header}\n" + "".join(f"c{n},{row(n)}\n" for n in customers)


def test_types_are_found_and_what_tells_nobody_apart_is_marked(joined):
    log = joined(
        table(
            "Sales channel,age,joined,postcode,mail,shop,empty",
            lambda n: f"{'web' if n % 3 else 'store'},{20 + n // 2},{n:02d}.12.2023,0{n % 4},m{n}@x.org,1,",
        )
    )
    found = {one.column: (one.name, one.kind, one.useless) for one in log.attributes.columns}
    assert found["Sales channel"] == ("attribute_sales_channel", "category", "")
    assert found["age"] == ("attribute_age", "number", "")
    assert found["joined"] == ("attribute_joined", "date", "")
    assert found["postcode"] == ("attribute_postcode", "category", "")
    assert found["mail"][1:] == ("category", "is almost unique to each customer (24 values of 24)")
    assert found["shop"][2] == "is the same for all"
    assert found["empty"][2] == "is empty"
    assert [one.column for one in log.attributes.useful] == ["Sales channel", "age", "joined", "postcode"]
    assert log.quality.read_as["attribute age"] == "number"
    rows = log.frame("select * from customer_attributes where customer_id = 'c2'")
    assert rows["attribute_joined"][0].date() == date(2023, 12, 2)


def test_numbers_that_are_names(joined):
    log = joined(table("plan", lambda n: str(n % 3)), categories=["plan"])
    assert log.attributes.columns[0].kind == "category"


def test_an_id_of_numbers_is_marked_unless_it_is_named(joined):
    lines = "customer,day,amount\n" + "".join(f"c{n},2024-01-01,10\n" for n in range(120))
    text = table("crm,age", lambda n: f"{1000 + n},{n % 50}", range(120))
    assert [one.column for one in joined(text, lines).attributes.useful] == ["age"]
    assert [one.column for one in joined(text, lines, columns=["crm"]).attributes.useful] == ["crm"]


def test_customers_that_the_table_lacks_are_told(joined):
    log = joined(table("x", lambda n: str(n % 3), range(1, 21)))
    (told,) = [one for one in log.quality.warnings if one.code == "customers-without-attributes"]
    assert "lacks 4 of the 24 customers" in told.text
    assert (told.rows, told.money) == (4, 40.0)


def test_ids_are_compared_as_the_log_writes_them(joined):
    lines = "customer,day,amount\n" + "".join(f"{n},2024-01-01,10\n" for n in range(1, 25))
    text = "customer,x\n" + "".join(f"{n}.0,{n % 3}\n" for n in range(1, 25))
    assert joined(text, lines).attributes.columns[0].kind == "number"
    folded = joined(table("x", lambda n: str(n % 3)).replace("\nc", "\nC "), customer_ids="casefold")
    assert not [one for one in folded.quality.warnings if one.code == "customers-without-attributes"]


def test_the_fingerprint_is_also_of_the_attributes(joined):
    one, same, other = (
        joined(text).fingerprint
        for text in (
            table("x", lambda n: str(n % 3)),
            table("x", lambda n: str(n % 3), reversed(range(1, 25))),
            table("x", lambda n: str(n % 4)),
        )
    )
    assert one == same != other


def test_two_rows_of_a_customer_need_the_day_from_which_they_hold(joined):
    twice = "customer,x,since\nc1,a,2023-01-01\nc2,b,2023-01-01\nc1,c,2023-06-01\nc3,a,2023-06-01\n"
    with pytest.raises(
        InputError, match=r"has several rows of 1 customers: c1; keep one row of each, or name"
    ):
        joined(twice)
    log = joined(twice, valid_from="since")
    assert log.attributes.dated
    with pytest.raises(InputError, match=r"several rows of the same day of 1 customers: c1"):
        joined(twice.replace("06-01", "01-01"), valid_from="since")


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("customer,x\n", {}, "holds no row with a customer|no data line"),
        ("customer\nc1\n", {}, "has no column beside the id"),
        ("id,x\nc1,a\n", {}, "has no column 'customer'.*data.attributes.customer_id"),
        ("customer,x\nc1,a\n", {"columns": ["y"]}, "has no column 'y'"),
        ("customer,x\nd1,a\nd2,b\n", {}, "has no customer of the purchase log .*'d1' there, 'c1' here"),
        ("customer,x,on\nc1,a,soon\n", {"valid_from": "on"}, "1 rows have no date in 'on', such as 'soon'"),
        ("customer,A b,a-b\nc1,a,b\n", {}, "columns 'A b' and 'a-b', which differ too little"),
        ("customer,amount\nc1,5\nc2,6\n", {}, "has a column 'amount', and the purchases have one"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(joined, text, keys, message):
    with pytest.raises(InputError, match=message):
        joined(text, **keys)


def test_a_missing_table_is_refused(joined, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        joined("customer,x\n", source=str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": ["id"], "customer_id": "id"}, "'id' is given for two things"),
        ({"customer_id": "id", "valid_from": "id"}, "'id' is given for two things"),
        ({"columns": ["a"], "categories": ["b"]}, "'b' is among the categories and not among the columns"),
        ({"columns": ["a", "a"]}, "'a' stands twice"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        DataConfig.model_validate(
            {
                "source": "orders.csv",
                "columns": {"customer_id": "customer", "order_date": "day", "amount": "amount"},
                "attributes": {"source": "customers.csv", **keys},
            }
        )


def test_a_database_says_what_a_file_says(joined, stored):
    expected = joined(
        "customer,plan,age,joined\n"
        + "".join(f"c{n},0{n % 3},{20 + n}.5,2023-12-{n:02d}\n" for n in range(1, 25))
    )
    rows = [(f"c{n}", f"0{n % 3}", 20.5 + n, f"2023-12-{n:02d}") for n in range(1, 25)]
    url = stored(
        "shop_customers", "customer varchar(9), plan varchar(9), age double precision, joined date", rows
    )
    for wanted in ("table=shop_customers", "query=select * from shop_customers"):
        found = joined("unused\n", source=f"{url}?{wanted}")
        assert found.attributes == expected.attributes
        ours, theirs = (
            log.frame("select * from customer_attributes order by all") for log in (found, expected)
        )
        pd.testing.assert_frame_equal(ours, theirs)
        assert found.fingerprint == expected.fingerprint
    with pytest.raises(
        InputError, match=r"data.attributes: .*has no table 'shop_customer' .did you mean 'shop_customers'"
    ):
        joined("unused\n", source=f"{url}?table=shop_customer")


@pytest.mark.parametrize(("name", "day"), [("since (UTC)", 6), ("since", 5)])
def test_rows_hold_from_a_day_in_the_zone_of_the_purchases(joined, name, day):
    text = table(f"{name},tier", lambda n: f"2024-01-05 23:30,{'ab'[n % 2]}")
    log = joined(text, timezone="Europe/Berlin", valid_from=name)
    assert {one.date() for one in log.frame("select valid_from from customer_attributes")["valid_from"]} == {
        date(2024, 1, day)
    }


@pytest.mark.parametrize("theirs", ["'=2", "=2"])
def test_ids_with_an_apostrophe_before_a_formula_are_found(joined, theirs):
    log = joined(
        table("age", lambda n: n) + f"{theirs},70\n'@x,80\n", log=LOG + "'=2,2024-01-02,5\n@x,2024-01-03,5\n"
    )
    known = dict(
        log.connection.execute(f"select customer_id, attribute_age from {log.attributes.table}").fetchall()
    )
    assert (known["'=2"], known["@x"]) == (70.0, 80.0)


def test_blanks_around_texts_beside_purchases_are_none(read):
    log = read(LOG)
    columns = {"customer_id": "customer", "order_date": "day", "amount": "amount"}
    data = DataConfig.model_validate({"source": "orders.csv", "columns": columns})
    frame = pd.DataFrame(
        {
            "customer": [f"c{n}" for n in range(1, 25)] * 2,
            "tier": ["gold", "base"] * 12 + ["gold ", " base"] * 12,
        }
    )
    found = with_attributes_beside(log, data, frame, ["tier"])
    rows = found.frame(
        "select attribute_tier::varchar as tier, count(*) as n from customer_attributes group by all"
    )
    assert dict(zip(rows["tier"], rows["n"], strict=True)) == {"gold": 12, "base": 12}
