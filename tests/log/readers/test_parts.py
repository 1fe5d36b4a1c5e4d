"""Files, directories and wildcards."""

import os
import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clvml.errors import InputError
from clvml.log.rows.derived import stage_operands

HEADER = "customer,day,amount\n"
ANN = HEADER + "ann,2024-01-05,10\n"
BOB = HEADER + "bob,2024-01-06,20\n"
TABLE = pa.table({"customer": ["ann", "bob"], "day": ["2024-01-05", "2024-01-06"], "amount": [10.0, 20.0]})


def _raises(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


def test_reads_a_directory_with_subdirectories(read, rows, tmp_path):
    folder = tmp_path / "data"
    (folder / "2024").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    (folder / "a.csv").write_text(ANN)
    (folder / "2024" / "b.CSV").write_text(BOB)
    (folder / "empty.csv").write_text(HEADER)
    (folder / "_temporary" / "c.csv").write_text(ANN)
    (folder / ".hidden.csv").write_text(ANN)
    (folder / "readme.txt").write_text("not data")
    log = read(source=folder)
    assert [row[0] for row in rows(log)] == ["ann", "bob"]


def test_reads_a_wildcard(read, rows, tmp_path):
    (tmp_path / "a1.csv").write_text(ANN)
    (tmp_path / "a2.csv").write_text(BOB)
    (tmp_path / "b.csv").write_text(BOB)
    assert [row[0] for row in rows(read(source=tmp_path / "a*.csv"))] == ["ann", "bob"]


@pytest.mark.parametrize("name", ["a[1].csv", 'd\'Artagnan "x" ü.csv', "a*.csv", "a b;--.csv"])
def test_odd_names_are_names(read, rows, tmp_path, name):
    (tmp_path / "a1.csv").write_text(BOB)
    rejects = tmp_path / f"out {name}"
    assert [row[0] for row in rows(read(ANN + ",2024-01-05,3\n", name=name, rejects=rejects))] == ["ann"]
    assert rejects.read_text().startswith("reason,file,line")
    odd = tmp_path / name.replace(".csv", ".parquet")
    pq.write_table(TABLE, odd)
    assert len(rows(read(source=odd))) == 2


def test_takes_columns_by_name_in_any_order(read, rows, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    (tmp_path / "b.csv").write_text("amount,customer,day\n20,bob,2024-01-06\n\n30,cid,2024-01-07\n")
    (tmp_path / "c.csv").write_text("amount,day,customer\n40,2024-01-08,dan\n")
    log = read(source=tmp_path, rejects=None)
    assert [(row[0], row[2]) for row in rows(log)] == [("ann", 10), ("bob", 20), ("cid", 30), ("dan", 40)]


def test_files_may_differ_in_columns_that_are_not_mapped(read, rows, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    (tmp_path / "b.csv").write_text(
        "day,channel,amount,customer\n2024-01-06,web,20,bob\n2024-01-06,shop,20,bob\n"
    )
    out = tmp_path.parent / "out.csv"
    log = read(source=tmp_path, rejects=out)
    assert [row[0] for row in rows(log)] == ["ann", "bob", "bob"]
    # Blank lines bring in the slow reader.
    (tmp_path / "b.csv").write_text("day,channel,amount,customer\n\n2024-01-06,web,20,bob\n,shop,20,bob\n")
    log = read(source=tmp_path, rejects=out)
    assert [row[0] for row in rows(log)] == ["ann", "bob"]
    assert out.read_text().splitlines() == [
        "reason,file,line,customer,day,amount,channel",
        f"missing date,{tmp_path / 'b.csv'},4,bob,,20,shop",
    ]


def test_a_mapped_column_is_in_all_files(read, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    (tmp_path / "b.csv").write_text("customer,date,amount\nbob,2024-01-06,20\n")
    with _raises(
        f"'{tmp_path / 'b.csv'}' has no column 'day' (order_date), which other files of the same source have; give "
        "files that all have the mapped columns"
    ):
        read(source=tmp_path)


def test_texts_beside_data_are_passed_over(read, rows, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    (tmp_path / "readme.txt").write_text("how this came about\n")
    assert [row[0] for row in rows(read(source=tmp_path))] == ["ann"]


def test_refuses_mixed_kinds(read, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    pq.write_table(TABLE, tmp_path / "b.parquet")
    with _raises(
        f"'{tmp_path}' mixes kinds of files: CSV ('{tmp_path / 'a.csv'}'), Parquet "
        f"('{tmp_path / 'b.parquet'}'); "
        "give files of one kind"
    ):
        read(source=tmp_path)


def test_refuses_what_is_not_there(read, tmp_path):
    with _raises(
        f"'{tmp_path / 'no.csv'}' does not exist; check the path and the current folder ('{Path.cwd()}')"
    ):
        read(source=tmp_path / "no.csv")
    with _raises(f"no file matches '{tmp_path / 'no*.csv'}'; check the pattern and the current folder"):
        read(source=tmp_path / "no*.csv")
    (tmp_path / "notes.pdf").write_text("x")
    supported = ".csv, .tsv, .txt, .json, .jsonl (also .gz, .zst, .zip), .xlsx, .ods, .parquet"
    with _raises(f"directory '{tmp_path}' holds no data file; supported: {supported}"):
        read(source=tmp_path)
    with _raises(
        f"'{tmp_path / 'notes.pdf'}' ends in '.pdf', which is not supported; supported: {supported}"
    ):
        read(source=tmp_path / "notes.pdf")


def test_reads_parquet_types(read, rows, tmp_path):
    connection = duckdb.connect()
    connection.execute(
        f"""COPY (SELECT * FROM (VALUES
        (7::BIGINT, DATE '2024-01-05', 10.25::DECIMAL(9, 2), 1::INTEGER),
        (8, DATE '2024-01-06', -2.5, NULL)) AS t(customer, day, amount, units))
        TO '{tmp_path / "x.parquet"}'"""
    )
    log = read(source=tmp_path / "x.parquet", columns={"quantity": "units"})
    assert log.columns == ("customer_id", "order_ts", "order_day", "amount", "quantity")
    assert rows(log, "*") == [
        ("7", *_day(5), 10.25, 1.0),
        ("8", *_day(6), -2.5, None),
    ]
    described = log.connection.execute("DESCRIBE purchase_log").fetchall()
    assert [row[1] for row in described] == ["VARCHAR", "TIMESTAMP", "DATE", "DOUBLE", "DOUBLE"]


def _day(day):
    return datetime(2024, 1, day), date(2024, 1, day)


def test_parts_may_differ_in_type(read, rows, reasons, tmp_path):
    pq.write_table(
        pa.table({"customer": [1, 2], "day": ["2024-01-05"] * 2, "amount": [1.0, 2.0]}),
        tmp_path / "a.parquet",
    )
    pq.write_table(
        pa.table(
            {"customer": ["1", None], "day": pa.array([19727, 19727], pa.date32()), "amount": ["1", "x"]}
        ),
        tmp_path / "b.parquet",
    )
    log = read(source=tmp_path)
    assert [row[0] for row in rows(log)] == ["1", "1", "2"]
    assert reasons(log) == {("missing customer id", "rejected"): (1, None)}


def test_refuses_damaged_parquet(read, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"customer": [str(i) for i in range(50_000)]}), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    start = f"'{path}' cannot be read; it may be cut off or of another kind: export it again ("
    with pytest.raises(InputError, match=f"^{re.escape(start)}"):
        read(source=path)
    path.write_bytes(b"")
    with _raises(f"'{path}' is empty (0 bytes); export it again"):
        read(source=path)
    pq.write_table(TABLE.slice(0, 0), path)
    with _raises(f"'{path}' has a header and no data line; export it again"):
        read(source=path)


def test_damage_in_the_middle_of_parquet_is_an_input_error(read, tmp_path):
    path = tmp_path / "x.parquet"
    big = pa.table({"customer": [f"c{i * 7919 % 50_000}" for i in range(50_000)]})
    big = big.append_column("day", pa.array(["2024-01-05"] * 50_000)).append_column(
        "amount", pa.array([float(i) for i in range(50_000)])
    )
    pq.write_table(big, path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[2000:6000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"'{path}' cannot be read; ")):
        read(source=path)


def test_input_files_stay_as_they_are(read, tmp_path):
    (tmp_path / "a.csv").write_text(ANN + ",,\n\n")
    pq.write_table(TABLE, tmp_path / "b.parquet")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    for path in list(before):
        read(source=path)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_one_file_under_two_names_is_counted_once_and_said(read, rows, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text(ANN)
    os.link(data / "a.csv", data / "b.csv")
    (data / "up").symlink_to(data)
    log = read(source=data, rejects=tmp_path / "rejects.csv")
    assert [row[0] for row in rows(log)] == ["ann"]
    found = [
        (finding.code, finding.text) for finding in log.quality.warnings if finding.code != "few-returns"
    ]
    assert found == [
        (
            "same-file-twice",
            f"a link gives one file two names; it was read once, without '{data / 'b.csv'}' (is '{data / 'a.csv'}')",
        ),
        (
            "link-passed-over",
            f"links to folders that are read already, or that lie above, were not followed: '{data / 'up'}'",
        ),
    ]


def test_what_is_no_data_is_no_matter_what_it_is(read, rows, tmp_path):
    (tmp_path / "a.csv").write_text(ANN)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    assert len(rows(read(source=tmp_path))) == 1
    (tmp_path / "b.csv").symlink_to("/dev/zero")
    with _raises(f"'{tmp_path / 'b.csv'}' is a device, and no file; write what it holds to a file first"):
        read(source=tmp_path)


def test_a_file_swapped_for_one_of_the_same_size_and_time_is_noticed(read, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text(ANN)
    state = path.stat()

    def swapped(*args, **options):
        other = tmp_path / "other"
        other.write_text(ANN.replace("ann", "bob"))
        os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
        other.replace(path)
        return stage_operands(*args, **options)

    monkeypatch.setattr("clvml.log.reading.stage_operands", swapped)
    with _raises(f"'{path}' changed while it was read; wait until the export has ended, then run it again"):
        read(source=path)
