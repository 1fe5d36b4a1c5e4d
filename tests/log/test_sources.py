"""Several sources as one log: each read in its own way, one time zone, one currency, each order once."""

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from clvml.config import DataConfig, parse_config
from clvml.errors import InputError
from clvml.log import PurchaseLog, read_purchase_log
from clvml.tracking.description import public_config
from clvml.workflows import prepare, prepare_on_spark

NOW = datetime(2024, 6, 1)
SHOP = "Kunde;Datum;Betrag;Nr\na;01.03.2024 10:00;10,00;1\na;02.03.2024 23:30;20,50;2\nc;26.03.2024 09:00;40,00;4\n"
TILL = "customer,when,total,id\na,2024-03-01 09:00,10,1\nd,2024-03-07 23:30,5,9\nb,2024-03-20 10:00,7,2\n"
OLD = "customer,when,total\na,2024-03-03,100\ne,2024-02-01,8\n"
RATES = "date,from,to,rate\n2024-02-15,USD,EUR,0.9\n2024-03-01,USD,EUR,0.5\n"
THEIRS = {"customer_id": "customer", "order_date": "when", "amount": "total"}


@pytest.fixture
def shop(tmp_path, monkeypatch) -> dict:
    """Write three sources and return keys of data that read them."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"shop": SHOP, "till": TILL, "old": OLD, "rates": RATES}.items():
        Path(f"{name}.csv").write_text(text)
    columns = {"customer_id": "Kunde", "order_date": "Datum", "amount": "Betrag", "order_id": "Nr"}
    return {
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "rates": "rates.csv",
        "max_unreadable": 1,
        "sources": {
            "shop": {"source": "shop.csv", "columns": columns},
            "till": {
                "source": "till.csv",
                "timezone": "Europe/London",
                "columns": {**THEIRS, "order_id": "id"},
            },
            "old": {"source": "old.csv", "currency": "USD", "columns": THEIRS},
        },
    }


def read(keys: dict, **asked) -> PurchaseLog:
    return read_purchase_log(DataConfig.model_validate(keys), now=NOW, **asked)


def lines(log: PurchaseLog) -> list[tuple]:
    return log.connection.execute(
        "SELECT customer_id, order_ts::VARCHAR, amount, order_id, source FROM purchase_log ORDER BY ALL"
    ).fetchall()


def test_sources_become_one_log(shop):
    log = read(shop)
    assert lines(log) == [
        ("a", "2024-03-01 10:00:00", 10.0, "1", "shop"),
        ("a", "2024-03-02 23:30:00", 20.5, "shop:2", "shop"),
        ("a", "2024-03-03 00:00:00", 50.0, None, "old"),
        ("b", "2024-03-20 11:00:00", 7.0, "till:2", "till"),
        ("c", "2024-03-26 09:00:00", 40.0, "4", "shop"),
        ("d", "2024-03-08 00:30:00", 5.0, "9", "till"),
    ]
    quality = log.quality
    assert [(s.name, s.rows_in, s.rows_out, s.money_out, s.customers) for s in quality.sources] == [
        ("shop", 3, 3, 70.5, 2),
        ("till", 3, 2, 12.0, 2),
        ("old", 2, 1, 50.0, 1),
    ]
    assert {(count.reason, count.rows, count.money, count.unread) for count in quality.reasons} == {
        ("no exchange rate by its day (data.rates)", 1, None, 1),
        ("same line in an earlier source", 1, 10.0, 0),
    }
    assert quality.rows_in == quality.rows_out + 2
    assert quality.money_in == quality.money_out + 10.0
    assert "source                2 lines" in quality.to_text()
    assert "sources-overlap" in {finding.code for finding in quality.warnings}
    assert quality.currency == "EUR"


def test_what_stands_in_two_sources_counts_twice_where_asked(shop):
    log = read({**shop, "overlaps": "keep"})
    assert len(lines(log)) == 7
    assert "sources-overlap" not in {finding.code for finding in log.quality.warnings}


def test_the_second_equal_line_of_a_source_is_the_second_of_the_other(shop):
    again = "a,2024-03-01 09:00,10,1\n"
    Path("till.csv").write_text(TILL + again)
    keys = {**shop, "duplicates": "keep"}
    assert [row[4] for row in lines(read(keys)) if row[3] == "1"] == ["shop", "till"]


def test_alike_lines_of_other_orders_are_kept_and_told(shop):
    Path("till.csv").write_text(TILL.replace("10,1\n", "10,77\n"))
    log = read(shop)
    assert [row[3] for row in lines(log)][:2] == ["1", "77"]
    assert "sources-look-alike" in {finding.code for finding in log.quality.warnings}


def test_without_an_order_number_the_time_tells_and_a_date_does_not(shop):
    Path("old.csv").write_text("customer,when,total\na,2024-03-01 10:00:00,20\nc,2024-03-26 00:00:00,80\n")
    assert [row[0] for row in lines(read(shop)) if row[4] == "old"] == ["c"]


def test_sources_that_differ_in_time_zone_keep_the_day_before_as_of(shop):
    log = read(shop, as_of=date(2024, 3, 8))
    assert log.last_day == date(2024, 3, 3)
    reasons = {count.reason: count.rows for count in log.quality.reasons}
    assert reasons["at or after as_of"] == 3


def test_rejected_rows_go_into_a_file_of_each_source(shop):
    read(shop, rejects=Path("rejects.csv"))
    assert pd.read_csv("rejects-old.csv")["customer"].tolist() == ["e"]
    assert pd.read_csv("rejects-shop.csv").empty


def test_rates_convert_a_single_source_and_the_inverse_serves():
    frame = pd.DataFrame(
        {"c": ["a", "b", "b"], "d": ["2024-03-05"] * 3, "m": [10.0, 10.0, 10.0], "k": ["EUR", "usd", "CHF"]}
    )
    rates = Path("inverse.csv")
    rates.write_text(
        "Date;From;To;Rate\n01.03.2024;EUR;USD;2,0\n15.03.2024;EUR;USD;4,0\n01.03.2024;CHF;EUR;3,0\n"
    )
    try:
        data = DataConfig.model_validate(
            {
                "source": "frame",
                "currency": "EUR",
                "rates": str(rates),
                "columns": {"customer_id": "c", "order_date": "d", "amount": "m", "currency": "k"},
            }
        )
        log = read_purchase_log(data, source=frame, now=NOW)
    finally:
        rates.unlink()
    assert log.frame("SELECT amount FROM purchase_log ORDER BY 1")["amount"].tolist() == [5.0, 10.0, 30.0]


def test_an_old_rate_is_told(shop):
    Path("old.csv").write_text(OLD.replace("2024-03-03", "2024-03-19"))
    (told,) = [finding for finding in read(shop).quality.warnings if finding.code == "old-rates"]
    assert "the oldest 18 days" in told.text
    assert told.text.startswith("old: ")
    assert told.money == 50.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("date,from,to\n2024-01-01,USD,EUR\n", "have no column rate; their columns are date, from, to"),
        ("date,from,to,rate\n2024-01-01,USD,EUR,-1\n", "1 lines have no date, currency or positive rate"),
        (
            "date,from,to,rate\n2024-01-01,CHF,EUR,1\n",
            "amounts in USD (2 lines), and rates 'rates.csv' have none",
        ),
        (
            "date,from,to,rate\n2024-01-01,USD,EUR,1\n2024-01-01,USD,EUR,2\n",
            "several rates from USD to EUR on 2024-01-01",
        ),
        (
            "date,from,to,rate\n2024-01-01,USD,EUR,0.5\n2024-01-01,EUR,USD,0.5\n",
            "on 2024-01-01 the rate from EUR to USD contradicts that from USD to EUR",
        ),
        ("date,from,to,rate\n2024-01-01,USD,EUR,much\n", "'much' (1 line, the first line 2); write dates as"),
        ("date,from,to,rate\n01/02/2024,USD,EUR,1\n", "apart; write dates as 2024-12-31"),
        (None, "'rates.csv' does not exist"),
    ],
)
def test_rates_at_fault_are_one_message_that_blames_no_source(shop, wrong, said):
    Path("rates.csv").unlink()
    if wrong:
        Path("rates.csv").write_text(wrong)
    with pytest.raises(InputError) as error:
        read(shop)
    assert said in str(error.value)
    assert "data.columns" not in str(error.value)
    if "amounts in" not in said:
        assert str(error.value).startswith("rates 'rates.csv' (data.rates)")


def test_codes_of_currencies_in_small_letters_are_those_in_capitals(shop):
    before = lines(read(shop))
    shop["currency"] = "eur"
    shop["sources"]["old"]["currency"] = " usd"
    assert lines(read(shop)) == before
    assert read(shop).quality.currency == "EUR"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "x.csv"}, "data.source and data.sources contradict each other"),
        ({"rates": None}, "the sources are in EUR, USD; give data.currency and data.rates"),
        ({"sources": {"a b": {"source": "x"}}}, "give it a name of letters, digits"),
        ({"sources": {"a": {"source": "x", "rates": "r"}}}, "'rates' belongs beside `sources`"),
        ({"sources": {"a": {"columns": THEIRS}}}, "'data.sources.a.source' is required"),
        ({"sources": ["a"]}, "'data.sources'"),
        ({"sources": {"a": "x.csv"}}, "'data.sources.a'"),
    ],
)
def test_keys_at_fault_are_one_message(shop, change, said):
    with pytest.raises(InputError) as error:
        parse_config({"data": {**shop, **change}, "windows": {"horizon_days": 30}})
    assert said in str(error.value)


def test_spark_refuses_what_it_would_not_read(shop):
    with pytest.raises(
        InputError, match=r"Spark reads one source; .* check --config FILE --log log\.parquet'"
    ):
        prepare_on_spark(None, DataConfig.model_validate(shop), NOW)
    alone = {
        "source": "a.csv",
        "currency": "EUR",
        "rates": "rates.csv",
        "columns": {**THEIRS, "currency": "in"},
    }
    with pytest.raises(InputError, match="Spark converts no currencies"):
        prepare_on_spark(None, DataConfig.model_validate(alone), NOW)


def test_what_is_wrong_beside_the_sources_is_told_once(shop):
    shop["sources"]["till"]["timezone"] = "Europe/Lodnon"
    with pytest.raises(InputError) as error:
        parse_config(
            {"data": {**shop, "timezone": "Europe/Berln", "refund": 1}, "windows": {"horizon_days": 30}}
        )
    said = str(error.value).splitlines()
    assert said[0] == "configuration has 3 problems:"
    assert (
        "'data.sources.till.timezone': unknown time zone 'Europe/Lodnon' (did you mean 'Europe/London'?)"
        in said[1]
    )
    assert "unknown key 'data.refund' (did you mean 'refunds'?)" in str(error.value)


def test_a_source_that_cannot_be_read_is_named(shop):
    Path("till.csv").unlink()
    with pytest.raises(InputError, match=r"source 'till': 'till\.csv' does not exist"):
        read(shop)
    Path("till.csv").write_text("customer,when,total,id\n")
    with pytest.raises(InputError, match=r"source 'till': 'till\.csv' has a header and no data line"):
        read(shop)


def test_the_same_lines_under_two_names_are_refused(shop):
    """Without times and order numbers nothing else would tell that they count twice."""
    for name in ("old.csv", "copy.csv"):
        Path(name).write_text("customer,when,total\na,2024-03-03,100\nd,2024-03-05,8\n")
    shop["sources"]["copy"] = {"source": "copy.csv", "currency": "USD", "columns": THEIRS}
    with pytest.raises(InputError, match="sources 'old' and 'copy' hold the same lines"):
        read(shop)
    shop["sources"]["copy"]["where"] = "customer = 'd'"
    shop["sources"]["old"]["where"] = "customer = 'a'"
    assert read(shop).quality.rows_out == 7


def test_a_configuration_with_sources_survives_being_kept(shop):
    keys = {"data": shop, "windows": {"horizon_days": 30}}
    keys["data"]["sources"]["old"]["source"] = "postgresql://ann:swordfish@host/shop?table=orders"
    for key in ("rates", "identity", "attributes", "events"):
        table = f"postgresql://ann:swordfish@host/shop?table={key}"
        of_key = {"identity": {"mapping": table}, "events": {"source": table, "date": "day"}}
        keys["data"][key] = of_key.get(key, table if key == "rates" else {"source": table})
    keys["data"]["sources"]["shop"]["keys"] = {"source": table, "columns": {"email": "mail"}}
    config = parse_config(keys)
    assert [key for key, place in config.data.places().items() if place.startswith("postgresql:")] == [
        *("rates", "sources.shop.keys.source", "sources.old.source", "identity.mapping"),
        *("attributes.source", "events.source"),
    ]
    kept = config.without_passwords().model_dump(mode="json")
    assert "swordfish" not in str(kept)
    assert "swordfish" not in str(public_config(config))
    assert parse_config(kept).model_dump(mode="json") == kept
    alone = config.with_source("new.csv")
    assert not alone.data.sources
    assert alone.data.columns.customer_id == "customer_id"


def test_what_was_joined_is_written_as_one_log_that_reads_the_same(shop):
    Path("till.csv").write_text(TILL + TILL.splitlines()[3] + "\n")
    shop["sources"]["till"]["duplicates"] = "keep"
    shop["identity"] = {"mapping": "known.csv"}
    Path("known.csv").write_text(
        "source,customer_id,unified_id\nshop,c,Cleo\nold,a,Ann\nshop,a,Ann\ntill,a,Ann\n"
    )
    config = parse_config({"data": shop, "windows": {"horizon_days": 30}})
    joined = prepare(config.data, NOW)
    joined.log.write(Path("log.parquet"))
    again = prepare(config.data, NOW, "log.parquet")
    query = "SELECT customer_id, order_ts, amount, order_id FROM purchase_log ORDER BY ALL"
    found = joined.log.connection.execute(query).fetchall()
    assert again.log.connection.execute(query).fetchall() == found
    assert len(found) == 7
    assert {row[0] for row in found} == {"Ann", "Cleo", "till:b", "till:d"}
    # A model trained on it keeps a configuration that can be read.
    kept = config.with_source("log.parquet").model_dump(mode="json")
    assert parse_config(kept).data.source == "log.parquet"


def test_a_file_with_our_names_is_read_in_place_of_the_sources(shop):
    frame = pd.DataFrame(
        {"customer_id": ["x"], "order_date": ["2024-03-01"], "amount": [3.0], "order_id": ["7"]}
    )
    frame[["product_id", "quantity"]] = None
    log = read(shop, source=frame)
    assert log.frame("SELECT amount FROM purchase_log")["amount"].tolist() == [3.0]
