"""JSON: keys as columns, numbers as numbers, broken lines one by one."""

import gzip
import json
import re
import zipfile

import duckdb
import pytest

from clvml.errors import InputError
from clvml.log.readers.json_objects import NOT_JSON, copy_json

LINES = (
    '{"customer": "ann", "day": "2024-01-05T10:00:00Z", "amount": 10, "tags": ["a"]}\n'
    '{"amount": 1.250, "customer": "bob", "day": "2024-01-06T18:30:00Z", "note": null}\n'
)
ROWS = [("ann", "2024-01-05 10:00:00", 10.0), ("bob", "2024-01-06 18:30:00", 1.25)]


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.jsonl.gz", "x.zip"])
def test_reads_objects(read, rows, tmp_path, name):
    content = LINES.encode()
    if name.endswith("gz"):
        content = gzip.compress(content)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("orders.jsonl", content)
        assert rows(read(source=tmp_path / name)) == ROWS
    else:
        # A number of JSON is clear in itself, whatever 1.250 would be beside 10 in a CSV file.
        assert rows(read(content, name=name)) == ROWS


def test_objects_inside_are_columns_and_numbers_as_text_are_text(read, rows):
    text = (
        '{"buyer": {"id": 7}, "day": 1704412800, "amount": "1.250,00"}\n'
        '{"buyer": {"id": 12345678901234567}, "day": 1704412801, "amount": "3"}\n'
    )
    log = read(text, name="x.jsonl", columns={"customer_id": "buyer.id"})
    assert rows(log) == [
        ("12345678901234567", "2024-01-05 00:00:01", 3.0),
        ("7", "2024-01-05 00:00:00", 1250.0),
    ]
    assert log.quality.read_as == {"order_date": "epoch seconds", "amount": "1.234,56"}


def test_quarantines_broken_lines(read, rows, reasons, tmp_path):
    log = read(LINES + "\n[1]\n{\n", name="x.jsonl", rejects=tmp_path / "out.csv")
    assert rows(log) == ROWS
    assert reasons(log)[(NOT_JSON, "rejected")] == (2, None)
    places = [line.split(",")[2] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert places == ["4", "5"]


@pytest.mark.parametrize("text", ["", "no json\n"])
def test_refuses_a_file_without_objects(read, tmp_path, text):
    message = (
        f"'{tmp_path / 'x.jsonl'}' holds no JSON object; it needs one per line or a list of them, such as"
    )
    message += ' {"customer": 7}'
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read(text, name="x.jsonl")


def test_deep_long_and_many_keyed_objects_cost_their_lines_or_one_message(read, rows, reasons, tmp_path):
    good = '{"customer": "ann", "day": "2024-01-05", "amount": 10}\n'
    deep = '{"a":' * 900 + "1" + "}" * 900 + "\n"
    long = '{"customer": "' + "x" * 3_000_000 + '"}\n'
    log = read(good + deep + long + "[" * 100_000 + "\n" + good.replace("ann", "bob"), name="orders.jsonl")
    assert [row[0] for row in rows(log)] == ["ann", "bob"]
    many = "".join(f'{{"k{number}": 1}}\n' for number in range(6_000))
    with pytest.raises(InputError, match=r"have more than 5,000 different keys"):
        read(good + many, name="many.jsonl")


FIRST, SECOND = LINES.splitlines()
TWO = f"{FIRST}, {SECOND}"


@pytest.mark.parametrize(
    "text",
    [
        f"[{TWO}]",
        f"[\n{FIRST},\n{SECOND}\n]\n",
        json.dumps(json.loads(f"[{TWO}]"), indent=2),
        f'{{"orders": [{TWO}]}}',
        f'{{"count": 2, "next": null, "orders": [{TWO}], "more": [1]}}',
        json.dumps({"orders": json.loads(f"[{TWO}]")}, indent="\t"),
    ],
)
def test_reads_lists_of_objects(read, rows, text):
    assert rows(read(text, name="x.json")) == ROWS
    assert rows(read(text, name="x.jsonl")) == ROWS


def test_an_object_per_line_that_begins_with_a_list_is_one(read, rows):
    text = "".join(
        line.replace("{", '{"items": [{"sku": 1}], ', 1) for line in LINES.splitlines(keepends=True)
    )
    assert rows(read(text, name="x.json")) == ROWS


def test_a_list_longer_than_a_block_is_read_to_its_end(read):
    objects = [
        {"customer": f"c{number}", "day": "2024-01-05", "amount": 2, "note": "x" * 500}
        for number in range(5_000)
    ]
    assert read(json.dumps(objects), name="x.json").quality.money_out == 10_000


def test_what_is_no_object_in_a_list_is_rejected_at_its_line(read, rows, reasons, tmp_path):
    log = read(f"[\n{FIRST},\n7,\n{SECOND}\n]", name="x.json", rejects=tmp_path / "out.csv")
    assert rows(log) == ROWS
    assert reasons(log)[(NOT_JSON, "rejected")] == (1, None)
    assert (tmp_path / "out.csv").read_text().splitlines()[1].split(",")[2] == "3"


@pytest.mark.parametrize("text", [f"[{TWO}", f"[{FIRST}, {SECOND[:-9]}", f"[{FIRST}; {SECOND}]"])
def test_a_list_that_is_broken_off_is_refused(read, text):
    with pytest.raises(InputError, match="is no JSON from line 1 on; it may be cut off"):
        read(text, name="x.json")


def test_objects_by_key_are_no_single_row(tmp_path):
    path = tmp_path / "orders.json"
    rows = [
        {"customer": "a", "date": "2024-01-05", "amount": 5},
        {"customer": "b", "date": "2024-01-06", "amount": 6},
    ]
    by_row = {"1": rows[0], "2": rows[1]}
    by_column = {name: {"0": rows[0][name], "1": rows[1][name]} for name in rows[0]}
    for written in (by_row, by_column):
        path.write_text(json.dumps(written))
        with duckdb.connect() as connection, pytest.raises(InputError, match="one object that holds objects"):
            copy_json(connection, path, "objects", "utf-8")


@pytest.mark.parametrize(
    "text",
    [f"[{FIRST}]\n[{SECOND}]\n", f'{{"orders": [{FIRST}], "refunds": [{SECOND}]}}', f"[{FIRST}] {SECOND}"],
)
def test_more_than_one_list_is_refused(read, text):
    with pytest.raises(InputError, match="holds more than one list, and only one can be read: behind line 1"):
        read(text, name="x.json")


def test_what_stands_behind_a_list_and_is_none_does_no_harm(read, rows):
    text = f'{{"orders": [{TWO}], "links": [], "meta": {{"page": {{"number": 1}}}}}}'
    assert rows(read(text, name="x.json")) == ROWS


def test_a_long_first_line_that_begins_with_a_list_is_one_object(read, rows):
    items = json.dumps([{"sku": "x" * 100}] * 1_000)
    text = "".join(line.replace("{", f'{{"items": {items}, ', 1) for line in LINES.splitlines(keepends=True))
    assert rows(read(text, name="x.jsonl")) == ROWS


def test_objects_in_another_encoding(read, rows):
    text = '{"customer": "Ελένη", "day": "2024-01-05", "amount": 5}\n'.encode("cp1253")
    assert rows(read(text, name="x.json", encoding="cp1253"))[0][0] == "Ελένη"
    assert "assumed-encoding" in [warning.code for warning in read(text, name="x.json").quality.warnings]
