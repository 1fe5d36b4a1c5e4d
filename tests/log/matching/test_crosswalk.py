"""Ids of several sources as customers, by the keys that they share."""

import json
import zipfile
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from clvml.config import DataConfig, parse_config
from clvml.errors import InputError
from clvml.log import PurchaseLog, read_purchase_log
from clvml.log.matching.components import label_components

NOW = datetime(2024, 6, 1)
COLUMNS = {"customer_id": "id", "order_date": "day", "amount": "amount"}
SHOP = (
    "id,day,amount,mail,phone\n"
    "1,2024-01-01,10,Ann+news@Shop.example,030 / 12 34 56 78\n"
    "2,2024-01-02,20,bob@shop.example,\n"
    "3,2024-01-03,30,unknown,+49 171 1234567\n"
)
TILL = "id,day,amount\nT1,2024-02-01,5\nT2,2024-02-02,6\nT3,2024-02-03,7\n"
CARDS = "card,email,tel\nT1,ann@shop.example,\nT2,,0049171/1234567\nT4,BOB@shop.example,+493012345678\n"


@pytest.fixture
def shop(tmp_path, monkeypatch) -> dict:
    """Write a shop whose purchases have keys, and a till with a table of its cards."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"shop": SHOP, "till": TILL, "cards": CARDS}.items():
        Path(f"{name}.csv").write_text(text)
    keys = {"columns": {"email": "mail", "phone": "phone"}}
    cards = {"source": "cards.csv", "customer_id": "card", "columns": {"email": "email", "phone": "tel"}}
    return {
        "identity": {"phone_region": "DE"},
        "sources": {
            "shop": {"source": "shop.csv", "columns": COLUMNS, "keys": keys},
            "till": {"source": "till.csv", "columns": COLUMNS, "keys": cards},
        },
    }


def read(keys: dict, **asked) -> PurchaseLog:
    return read_purchase_log(DataConfig.model_validate(keys), now=NOW, **asked)


def customers(log: PurchaseLog) -> dict[str, float]:
    query = "SELECT customer_id, sum(amount) FROM purchase_log GROUP BY 1 ORDER BY 1"
    return dict(log.connection.execute(query).fetchall())


def test_keys_join_ids_also_through_an_id_that_bought_nothing(shop):
    log = read(shop)
    # 1 and 2 are joined by the card T4, which has the e-mail of one and the phone of the other.
    assert customers(log) == {"shop:1": 35.0, "shop:3": 36.0, "till:T3": 7.0}
    identity = log.quality.identity
    assert identity.ids == {"shop": 3, "till": 3}
    assert (identity.customers, identity.joined) == (3, 2)
    assert identity.keys == {"email": 4, "phone": 4}
    assert identity.changed[0] == ("shop:1", 3, 20.0, 35.0)
    assert (
        "identity    6 ids (shop 3, till 3) are 3 customers, 2 of them with several ids"
        in log.quality.to_text()
    )
    told = {finding.code: finding.text for finding in log.quality.warnings}
    assert told["unread-keys"] == "1 texts are no email and join nobody"
    assert "ann@shop.example" not in log.quality.to_text().lower()


@pytest.mark.parametrize("key", ["Billing Email", "billing_email"])
def test_keys_stand_in_any_version_of_the_export_of_a_preset(shop, key):
    Path("shop.csv").write_text(
        "Order ID,Order Date,Order Status,Billing Email,Order Total\n1,2024-01-01,completed,Ann@shop.example,10\n"
    )
    shop["sources"]["shop"] = {
        "source": "shop.csv",
        "preset": "woocommerce",
        "keys": {"columns": {"email": key}},
    }
    assert customers(read(shop))["shop:ann@shop.example"] == 15.0


def test_the_crosswalk_names_every_id(shop):
    read(shop, crosswalk=Path("crosswalk.csv"))
    found = pd.read_csv("crosswalk.csv", dtype=str)
    assert list(found.columns) == ["source", "customer_id", "unified_id"]
    assert dict(zip(found["source"] + found["customer_id"], found["unified_id"], strict=True)) == {
        **{"shop1": "shop:1", "shop2": "shop:1", "shop3": "shop:3"},
        **{"tillT1": "shop:1", "tillT2": "shop:3", "tillT3": "till:T3", "tillT4": "shop:1"},
    }


def test_unrelated_records_move_nobody(shop):
    before = customers(read(shop))
    Path("shop.csv").write_text(SHOP + "0,2024-01-04,1,new@shop.example,\n")
    after = customers(read(shop))
    assert {name: after[name] for name in before} == before


def test_a_key_that_too_many_share_joins_nobody_and_is_told(shop):
    lines = "".join(f"{n},2024-01-01,1,info@shop.example,\n" for n in range(10, 15))
    Path("shop.csv").write_text(SHOP + lines)
    shop["identity"]["max_shared"] = 4
    log = read(shop)
    assert len(customers(log)) == 3 + 5
    assert log.quality.identity.cut == {"email": 1}
    (told,) = [finding for finding in log.quality.warnings if finding.code == "shared-keys"]
    assert "shared by more than 4 customers each, 5 in all" in told.text


def test_a_mapping_joins_and_names(shop):
    Path("mapping.csv").write_text("source,customer_id,unified_id\nshop,3,Mr C\ntill,T3,Mr C\n")
    shop["identity"]["mapping"] = "mapping.csv"
    assert customers(read(shop)) == {"Mr C": 43.0, "shop:1": 35.0}


@pytest.mark.parametrize(
    ("mapping", "code", "said"),
    [
        ("", "empty-mapping", "mapping 'mapping.csv' (data.identity.mapping) has no line of ids"),
        ("shop,3,C\ntill,t3,C\n", "unknown-mapped", "1 of 2 ids of mapping 'mapping.csv'"),
    ],
)
def test_a_mapping_that_maps_nobody_is_told(shop, mapping, code, said):
    Path("mapping.csv").write_text("source,customer_id,unified_id\n" + mapping)
    shop["identity"]["mapping"] = "mapping.csv"
    told = {finding.code: finding.text for finding in read(shop).quality.warnings}
    assert told[code].startswith(said)


def test_a_mapping_of_ids_that_bought_nothing_is_in_order(shop):
    Path("mapping.csv").write_text("source,customer_id,unified_id\ntill,T4,Mr B\n")
    shop["identity"]["mapping"] = "mapping.csv"
    assert "unknown-mapped" not in {finding.code for finding in read(shop).quality.warnings}


def test_a_chain_of_keys_that_joins_many_is_told(shop):
    links = "".join(f"T1,m{number}@x.example,\nT1{number},m{number}@x.example,\n" for number in range(60))
    assert "many-ids" not in {finding.code for finding in read(shop).quality.warnings}
    Path("cards.csv").write_text(CARDS + links)
    told = {finding.code: finding.text for finding in read(shop).quality.warnings}
    assert "1 customers have more than 50 ids each, the largest 64" in told["many-ids"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("mapping", "data.identity.mapping: 'none.csv' does not exist"),
        ("keys", "data.sources.till.keys.source: 'none.csv' does not exist"),
    ],
)
def test_a_table_that_is_missing_is_named_with_its_key(shop, missing, said):
    place = shop["identity"] if missing == "mapping" else shop["sources"]["till"]["keys"]
    place["mapping" if missing == "mapping" else "source"] = "none.csv"
    with pytest.raises(InputError) as error:
        read(shop)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("source,customer_id,unified_id\nshop,1,A\nshop,1,B\n", "customer '1' of source 'shop' both A and B"),
        (
            "source,customer_id,unified_id\nshop,1,A\ntill,T1,B\n",
            "tells 'A' and 'B' apart, and their keys make them",
        ),
        ("source,customer_id,unified_id\nweb,1,A\n", "names source 'web'; the sources are shop, till"),
        ("source,customer_id\nshop,1\n", "has no column unified_id"),
    ],
)
def test_mappings_at_fault_are_one_message(shop, mapping, said):
    Path("mapping.csv").write_text(mapping)
    shop["identity"]["mapping"] = "mapping.csv"
    with pytest.raises(InputError) as error:
        read(shop)
    assert said in str(error.value)


def test_a_key_column_that_is_empty_or_absent_is_refused(shop):
    Path("cards.csv").write_text("card,email,tel\nT1,,1\n")
    with pytest.raises(InputError, match=r"column 'email' of 'cards\.csv' is empty"):
        read(shop)
    Path("cards.csv").write_text("card,mail,tel\nT1,a@b.c,1\n")
    with pytest.raises(InputError, match=r"data\.sources\.till\.keys: 'cards\.csv' has no column 'email'"):
        read(shop)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sources": {}, "source": "shop.csv", "columns": COLUMNS}, "data.identity is for data.sources"),
        ({"identity": None}, "source 'shop' has keys; say how they are used in data.identity"),
        ({"identity": {"phone_region": "Germany"}}, "phone_region"),
        ({"identity": {"max_shared": 1}}, "max_shared"),
    ],
)
def test_keys_of_the_configuration_at_fault(shop, change, said):
    with pytest.raises(InputError) as error:
        parse_config({"data": {**shop, **change}, "windows": {"horizon_days": 30}})
    assert said in str(error.value)


def test_numbers_written_as_decimals_are_the_ids_of_the_log(shop):
    frame = pd.DataFrame({"card": [1.0, 2.0], "email": ["x@y.z", "x@y.z"], "tel": ["+49301234567", None]})
    frame.to_parquet("cards.parquet")
    Path("till.csv").write_text("id,day,amount\n1,2024-02-01,5\n2,2024-02-02,6\n")
    shop["sources"]["till"]["keys"]["source"] = "cards.parquet"
    assert customers(read(shop))["till:1"] == 11.0


@settings(max_examples=200)
@given(edges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_components_are_those_of_the_graph(edges):
    pairs = pd.DataFrame([(max(e), min(e)) for e in edges if e[0] != e[1]], columns=["a", "b"], dtype=int)
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE edges AS SELECT a::INTEGER AS a, b::INTEGER AS b FROM pairs")
        label_components(connection, "edges", "labels")
        found = dict(connection.execute("FROM labels").fetchall())
        assert len(found) == connection.execute("SELECT count(*) FROM labels").fetchall()[0][0]
    graph = coo_matrix((np.ones(len(pairs)), (pairs["a"], pairs["b"])), shape=(31, 31))
    _, labels = connected_components(graph)
    least = pd.Series(range(31)).groupby(labels).transform("min")
    assert [found.get(node, node) for node in range(31)] == least.tolist()


def as_lines(text: str) -> str:
    """Return a CSV text as JSON lines."""
    names, *rows = [line.split(",") for line in text.splitlines()]
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def database(text: str, path: str) -> str:
    Path("text.csv").write_text(text)
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE cards AS FROM read_csv('text.csv', all_varchar = true)")
    return f"duckdb:///{path}?table=cards"


@pytest.mark.parametrize("kind", ["utf-16", "title", "zip", "lines", "database"])
def test_tables_of_keys_may_be_of_any_kind(shop, kind):
    expected = customers(read(shop))
    known = "source,customer_id,unified_id\nshop,3,Cleo\n"
    texts = {"cards": CARDS, "mails": SHOP, "known": known}
    places = {name: f"{name}.csv" for name in texts}
    for name, text in texts.items():
        if kind == "utf-16":
            Path(f"{name}.csv").write_bytes(text.encode("utf-16"))
        elif kind == "title":
            Path(f"{name}.csv").write_text(f"Report\n\n{text}")
        elif kind == "zip":
            places[name] = f"{name}.csv.zip"
            with zipfile.ZipFile(places[name], "w") as packed:
                packed.writestr(f"{name}.csv", text)
        elif kind == "lines":
            places[name] = f"{name}.jsonl"
            Path(places[name]).write_text(as_lines(text))
        else:
            places[name] = database(text, f"{name}.duckdb")
    shop["sources"]["shop"]["keys"] |= {"source": places["mails"], "customer_id": "id"}
    shop["sources"]["till"]["keys"]["source"] = places["cards"]
    assert customers(read(shop)) == expected
    shop["identity"]["mapping"] = places["known"]
    assert customers(read(shop)) == {
        "Cleo" if who == "shop:3" else who: money for who, money in expected.items()
    }


def test_keys_beside_purchases_are_read_as_these_are(shop):
    expected = customers(read(shop))
    Path("shop.csv").write_bytes(SHOP.encode("utf-16"))
    assert customers(read(shop)) == expected
    Path("shop.csv").write_text(SHOP + "4,2024-01-05,1,bob@shop.example,,too,many\n")
    shop["max_unreadable"] = 1
    assert customers(read(shop)) == expected


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ("card,email,tel\nT1,a@b.c,1\nT2,b@c.d,2,3\n", "'cards.csv' line 3: broken line: too many columns"),
        ('card,email,tel\nT1,"a"b@b.c,1\n', "'cards.csv' line 2: broken line: stray quote"),
        ("card,email,email,tel\nT1,a@b.c,a@b.c,1\n", "'cards.csv' has several columns called 'email'"),
    ],
)
def test_a_table_of_keys_at_fault_is_one_message(shop, cards, said):
    Path("cards.csv").write_text(cards)
    with pytest.raises(InputError) as error:
        read(shop)
    assert f"data.sources.till.keys: {said}" in str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shop,3,", "1 lines lack a source, customer_id or unified_id; fill them in"),
        (",3,Cleo", "1 lines lack a source, customer_id or unified_id; fill them in"),
        ("shop,3,till:T3", "calls a customer 'till:T3', and that is the name of another one"),
    ],
)
def test_a_mapping_that_would_lose_or_merge_customers_is_refused(shop, line, said):
    Path("known.csv").write_text(f"source,customer_id,unified_id\n{line}\n")
    shop["identity"]["mapping"] = "known.csv"
    with pytest.raises(InputError) as error:
        read(shop)
    assert said in str(error.value)
