"""From a source to the purchase log: identities, independence of order and format, the real data sets."""

import random
import re
import shutil
import tempfile
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvml.config import DataConfig, read_config
from clvml.errors import InputError
from clvml.log import read_purchase_log
from clvml.log.readers.parts import read_parts

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 6, 1)
HEADER = "customer,day,amount,no\n"

LINES = st.tuples(
    st.sampled_from(["ann", "bob", " ann", "", "null", "7.0"]),
    st.sampled_from(["2024-01-05", "2024-02-05 10:00", "2024-02-05T23:30:00Z", "", "soon", "2025-01-01"]),
    st.sampled_from(["1", "2.25", "-3", "0", "", "x", "nan", "inf", "1e300", '"1,500.00"', "0.1"]),
    st.sampled_from(["A", "B"]),
)


@settings(max_examples=25)
@given(
    st.lists(LINES, min_size=1, max_size=30),
    st.sampled_from(["net", "drop", "reject"]),
    st.sampled_from(["keep", "drop", "reject"]),
    st.sampled_from([None, date(2024, 2, 1)]),
    st.randoms(use_true_random=False),
)
def test_nothing_vanishes_and_order_does_not_matter(lines, refunds, duplicates, as_of, shuffle):
    # Whether a line is a total depends on its being the first or among the last.
    start = ("ann", "2024-01-04", "5", "A")
    end = [("ann", "2024-01-04", str(amount), "Z") for amount in (11, 12, 13)]
    shuffled = [start, *shuffle.sample(lines, len(lines)), *end]
    lines = [start, *lines, *end]
    columns = {"customer_id": "customer", "order_date": "day", "amount": "amount", "order_id": "no"}
    logs = []
    with tempfile.TemporaryDirectory() as folder:
        for name, order in (("a.csv", lines), ("b.csv", shuffled)):
            path = Path(folder) / name
            path.write_text(HEADER + "".join(",".join(line) + "\n" for line in order))
            data = DataConfig(
                source=str(path), columns=columns, refunds=refunds, duplicates=duplicates, max_unreadable=1
            )
            rejects = Path(folder) / f"out_{name}"
            logs.append(read_purchase_log(data, now=NOW, as_of=as_of, rejects=rejects))
            report = logs[-1].quality
            left_out = [count for count in report.reasons if count.treatment in ("rejected", "dropped")]
            rejected = sum(count.rows for count in left_out if count.treatment == "rejected")
            assert report.rows_in == len(lines) == report.rows_out + sum(count.rows for count in left_out)
            assert report.money_in == pytest.approx(
                report.money_out + sum(count.money or 0 for count in left_out), abs=1e-9
            )
            assert len(rejects.read_text().splitlines()) == rejected + 1
            counted = (
                logs[-1]
                .connection.execute("SELECT count(*), round(sum(amount), 6) FROM purchase_log")
                .fetchall()
            )
            assert counted == [(report.rows_out, report.money_out)]
    assert logs[0].fingerprint == logs[1].fingerprint
    assert logs[0].quality == logs[1].quality


def test_fingerprint_tells_content_and_not_its_form(read, tmp_path):
    lines = [f"c{index % 50},2024-01-{index % 28 + 1:02d},{index}.5,o{index}\n" for index in range(500)]
    columns = {"order_id": "no"}
    first = read(HEADER + "".join(lines), columns=columns)
    random.Random(0).shuffle(lines)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(5):
        (folder / f"{part}.csv").write_text(HEADER + "".join(lines[part::5]))
    duckdb.read_csv(str(tmp_path / "orders.csv")).write_parquet(str(tmp_path / "orders.parquet"))
    same = [read(source=folder, columns=columns), read(source=tmp_path / "orders.parquet", columns=columns)]
    assert {log.fingerprint for log in same} == {first.fingerprint}
    assert len(first.fingerprint) == 64
    lines[0] = lines[0].replace(".5", ".25")
    assert read(HEADER + "".join(lines), columns=columns).fingerprint != first.fingerprint
    assert read(HEADER + "".join(lines)).fingerprint != first.fingerprint


def test_a_given_connection_keeps_its_settings_and_gets_one_table(read):
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("CREATE TABLE purchase_log AS SELECT 1 AS old")
    log = read(HEADER + "ann,2024-01-05,1,A\n\n,2024-01-05,1,A\n", connection=connection)
    assert log.connection is connection
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("purchase_log",)]
    assert connection.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall() == [(False,)]
    assert connection.execute("SELECT customer_id FROM purchase_log").fetchall() == [("ann",)]
    with pytest.raises(InputError):
        read(HEADER + ",2024-01-05,1,A\n", connection=connection)
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("purchase_log",)]


def test_source_replaces_the_configured_one(read, tmp_path):
    (tmp_path / "other.csv").write_text(HEADER + "bob,2024-01-05,1,A\n")
    data = DataConfig(
        source="absent.csv", columns={"customer_id": "customer", "order_date": "day", "amount": "amount"}
    )
    log = read_purchase_log(data, source=str(tmp_path / "other.csv"), now=NOW)
    assert log.connection.execute("SELECT customer_id FROM purchase_log").fetchall() == [("bob",)]
    assert (log.first_day, log.last_day, log.columns[-1]) == (date(2024, 1, 5), date(2024, 1, 5), "amount")


def _config(name: str) -> DataConfig:
    data = read_config(ROOT / "configs" / f"{name}.yaml").data
    return data.model_copy(update={"source": str(ROOT / data.source)})


def test_online_retail(reasons):
    log = read_purchase_log(_config("online_retail"), now=datetime(2012, 1, 1))
    assert reasons(log) == {
        ("missing customer id", "rejected"): (243_007, 2_638_958.18),
        ("repeat within one file", "dropped"): (26_479, 358_301.1),
        ("refund", "kept"): (18_390, -1_084_812.98),
    }
    report = log.quality
    assert (report.rows_in, report.rows_out, report.customers) == (1_067_371, 797_885, 5_942)
    assert (report.money_in, report.money_out) == (19_287_250.568, 16_289_991.288)
    assert (log.first_day, log.last_day) == (date(2009, 12, 1), date(2011, 12, 9))
    assert [str(gap.first_day) for gap in report.gaps] == ["2009-12-24", "2010-12-24"]


def test_online_retail_without_ignoring_its_sheets(reasons):
    # 824,364 lines have a customer id; pandas' drop_duplicates leaves 812,368 (without sheet 797,885).
    data = _config("online_retail").model_copy(update={"ignore_columns": []})
    log = read_purchase_log(data, now=datetime(2012, 1, 1))
    assert reasons(log)[("repeat within one file", "dropped")][0] == 824_364 - 812_368
    assert log.quality.rows_out == 812_368


def test_cdnow(reasons):
    log = read_purchase_log(_config("cdnow"), now=datetime(2012, 1, 1))
    assert reasons(log) == {("repeat within one file", "kept"): (255, 4_332.88)}
    report = log.quality
    assert (report.rows_in, report.rows_out, report.customers) == (69_659, 69_659, 23_570)
    assert report.money_out == 2_500_315.63
    assert (log.first_day, log.last_day) == (date(1997, 1, 1), date(1998, 6, 30))


def _grow(path):
    path.write_text(path.read_text() + "bob,2024-01-06,7\n")


def _half(path):
    path.write_bytes(path.read_bytes()[:9])


def _remove(path):
    path.unlink()


def _join(path):
    shutil.copy(path, path.with_name("b.csv"))


@pytest.mark.parametrize(
    ("change", "named"), [(_grow, "a.csv"), (_half, "a.csv"), (_remove, "a.csv"), (_join, "b.csv")]
)
def test_a_source_that_changes_while_it_is_read_is_refused(read, tmp_path, monkeypatch, change, named):
    folder = tmp_path / "export"
    folder.mkdir()
    path = folder / "a.csv"
    path.write_text("customer,day,amount\nann,2024-01-05,5\n")

    def read_parts_late(connection, source, data):
        change(path)
        return read_parts(connection, source, data)

    monkeypatch.setattr("clvml.log.reading.read_parts", read_parts_late)
    message = (
        f"'{folder / named}' changed while it was read; wait until the export has ended, then run it again"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(source=folder)


def test_lines_in_quotes_as_a_whole_are_explained(read):
    lines = "".join(f'"c{n},2024-01-0{n},{n}.50"\n' for n in range(1, 9))
    with pytest.raises(InputError, match="where each line stands in quotes as a whole"):
        read(f"customer,day,amount\n{lines}")
