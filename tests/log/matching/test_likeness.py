"""Customers found by name and address: whom likeness joins, whom it leaves apart, and what is said of it."""

import runpy
import sys
from datetime import datetime
from pathlib import Path

import pytest

from clvml.config import DataConfig, parse_config
from clvml.errors import InputError
from clvml.log import PurchaseLog, read_purchase_log

ROOT = Path(__file__).parents[3]
NOW = datetime(2024, 6, 1)
COLUMNS = {"customer_id": "id", "order_date": "day", "amount": "amount"}


@pytest.fixture
def shop(tmp_path, monkeypatch) -> dict:
    """Write a shop and a till whose customers have names: five are in both, written otherwise in the till."""
    pytest.importorskip("splink", reason="the extra 'linkage' is not installed")
    monkeypatch.chdir(tmp_path)
    names = (
        "Zoe Adler,Ben Brandt,Cem Demir,Dana Ernst,Emil Frank,Greta Haas,Hugo Ihde,Ida Jung,Kai Lang,Mia Noll"
    )
    shop = [
        f"s{place},2024-01-05,10,{name},Gartenweg {place},1010{place},{name[0].lower()}@x.de\n"
        for place, name in enumerate(names.split(","))
    ]
    till = [
        't0,2024-02-05,1,"ADLER, Zoë",Gartenweg 0,10100\n',
        "t1,2024-02-05,1,Ben Brand,Gartenweg 1,10101\n",
        "t2,2024-02-05,1,C. Demir,Gartenweg 2,10102\n",
        # Of the same family at the same address, and of the same name elsewhere.
        "t3,2024-02-05,1,Otto Ernst,Gartenweg 3,10103\n",
        "t4,2024-02-05,1,Emil Frank,Am Hafen 77,99099\n",
    ]
    Path("shop.csv").write_text("id,day,amount,name,street,code,mail\n" + "".join(shop))
    Path("till.csv").write_text("id,day,amount,name,street,code\n" + "".join(till))
    alike = {"name": "name", "address": "street", "postcode": "code"}
    return {
        "identity": {},
        "sources": {
            "shop": {
                "source": "shop.csv",
                "columns": COLUMNS,
                "keys": {"columns": {"email": "mail"}, "alike": alike},
            },
            "till": {"source": "till.csv", "columns": COLUMNS, "keys": {"alike": alike}},
        },
    }


def read(keys: dict) -> PurchaseLog:
    return read_purchase_log(DataConfig.model_validate(keys), now=NOW)


def joined(log: PurchaseLog) -> set[str]:
    query = "SELECT customer_id FROM purchase_log GROUP BY 1 HAVING count(*) > 1"
    return {customer for (customer,) in log.connection.execute(query).fetchall()}


def test_names_and_addresses_that_are_alike_are_one_customer(shop, capfd):
    log = read(shop)
    assert joined(log) == {"shop:s0", "shop:s1", "shop:s2"}
    identity = log.quality.identity
    assert (identity.alike, identity.likeness, identity.customers) == (3, 0.95, 12)
    said = " ".join(log.quality.to_text().split())
    assert (
        "alike 3 pairs of ids are joined by name and address alone, likely to be one customer by 0.95" in said
    )
    left = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%splink%'"
    assert log.connection.execute(left).fetchall() == []
    assert read(shop).fingerprint == log.fingerprint
    assert capfd.readouterr() == ("", "")


def test_keys_and_a_mapping_go_before_likeness(shop):
    Path("known.csv").write_text(
        "source,customer_id,unified_id\nshop,s0,Zoe\ntill,t0,Her daughter\nshop,s1,Ben\n"
    )
    shop["identity"]["mapping"] = "known.csv"
    log = read(shop)
    assert joined(log) == {"Ben", "shop:s2"}
    assert log.quality.identity.alike == 2
    # A pair that shares a key is joined by it, and not by likeness alone.
    lines = Path("till.csv").read_text().splitlines()
    mails = ["mail", "", "b@x.de", "", "", ""]
    Path("till.csv").write_text("".join(f"{line},{mail}\n" for line, mail in zip(lines, mails, strict=True)))
    shop["sources"]["till"]["keys"]["columns"] = {"email": "mail"}
    log = read(shop)
    assert joined(log) == {"Ben", "shop:s2"}
    assert log.quality.identity.alike == 1


def test_nothing_alike_is_told_too(shop):
    shop["identity"]["likeness"] = 0.9999999
    identity = read(shop).quality.identity
    assert (identity.alike, identity.customers) == (0, 15)


def test_names_without_a_letter_join_nobody(shop):
    for name in ("shop.csv", "till.csv"):
        head, *rows = Path(name).read_text().splitlines()
        cells = [[row.split(",", 3)[0], "2024-01-05,10,-", "Gartenweg 1,10101"] for row in rows]
        mail = ",a@x.de" if name == "shop.csv" else ""
        Path(name).write_text("\n".join([head, *(",".join(row) + mail for row in cells)]))
    shop["identity"]["max_shared"] = 2
    assert read(shop).quality.identity.alike == 0


def test_without_splink_one_message_says_how_to_install_it(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(InputError, match=r"install it with: pip install 'clvml\[linkage\]'"):
        read(shop)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "keys name no column; give columns, or alike"),
        ({"alike": {"name": "name"}}, "a likeness needs a name, and an address or postcode"),
        ({"alike": {"address": "street", "postcode": "code"}}, "a likeness needs a name"),
        ({"columns": {"name": "name"}}, "many share a name, so it is not a key of columns; give it in alike"),
        ({"alike": {"name": "name", "birthday": "day"}}, "birthday"),
    ],
)
def test_keys_that_join_strangers_or_nobody_are_refused(shop, keys, said):
    shop["sources"]["till"]["keys"] = keys
    with pytest.raises(InputError) as error:
        parse_config({"data": shop, "windows": {"horizon_days": 30}})
    assert said in str(error.value)


def test_a_column_of_names_that_is_empty_is_refused(shop):
    text = Path("till.csv").read_text()
    Path("till.csv").write_text(text.replace("Gartenweg 0", "").replace("Gartenweg 1", "").replace("Gartenweg 2", "")
                                .replace("Gartenweg 3", "").replace("Am Hafen 77", ""))  # fmt: skip
    with pytest.raises(
        InputError, match=r"column 'street' of 'till.csv' is empty \(data.sources.till.keys.alike"
    ):
        read(shop)


def test_people_who_are_known_are_found():
    """As in docs/identity.md, on fewer people."""
    pytest.importorskip("splink", reason="the extra 'linkage' is not installed")
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "likeness.py"))
    precision, recall = benchmark["found"](benchmark["people"](1_500), 0.95)
    assert precision > 0.93
    assert recall > 0.75
