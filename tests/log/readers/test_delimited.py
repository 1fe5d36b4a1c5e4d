"""CSV and TSV: delimiters, quotes, damage, line numbers."""

import csv
import gzip
import re
import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest

from clvml.errors import InputError
from clvml.log.readers.delimited import (
    STRAY_QUOTE,
    TOO_FEW_COLUMNS,
    TOO_LONG,
    TOO_MANY_COLUMNS,
    copy_carefully,
    read_layout,
)

PLAIN = "customer,day,amount\nann,2024-01-05,10\nbob,2024-01-06,20.5\n"
HEADER = "customer,day,amount\n"
# A command, then its exit code and the most memory that it took [MB].
MEASURED = """
import re, sys
from clvml.cli import main
sys.argv[0] = "clvml"
try:
    main()
except SystemExit as end:
    # ru_maxrss would count what the process that started this one held.
    held = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
    print(end.code or 0, int(held[1]) // 1000, file=sys.stderr)
"""
ROWS = [("ann", "2024-01-05 00:00:00", 10.0), ("bob", "2024-01-06 00:00:00", 20.5)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_reads_the_delimiter_of_the_header(read, rows, delimiter):
    assert rows(read(PLAIN.replace(",", delimiter))) == ROWS


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        PLAIN.replace("\nbob", "\n\n  \nbob"),
        PLAIN.replace("\nbob", "\r\nbob"),
        PLAIN.replace("20.5\n", "20.5,\n"),
        '"customer" , day,"amount"\n"ann","2024-01-05","10"\n"bob",2024-01-06,20.5\n',
        "\n" + PLAIN,
    ],
    ids=[
        "bom",
        "crlf",
        "cr",
        "no end",
        "blank end",
        "blank",
        "mixed ends",
        "surplus",
        "quoted",
        "blank start",
    ],
)
def test_reads_usual_variants(read, rows, text):
    log = read(text)
    assert rows(log) == ROWS
    assert log.quality.rows_in == 2


def test_reads_tsv(read, rows):
    assert rows(read(PLAIN.replace(",", "\t"), name="orders.TSV")) == ROWS


@pytest.mark.parametrize("name", ["orders.csv.gz", "orders.csv.zst", "orders.tsv.gz"])
def test_reads_compressed_files(read, rows, name):
    text = (PLAIN.replace(",", "\t") if ".tsv" in name else PLAIN).encode()
    packed = gzip.compress(text) if name.endswith("gz") else pa.compress(text, "zstd", asbytes=True)
    assert rows(read(packed, name=name)) == ROWS


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_refuses_a_cut_compressed_file(read, tmp_path, ending):
    text = PLAIN.encode() + b"".join(b"c%d,2024-01-05,%d\n" % (i, i * i) for i in range(20_000))
    path = tmp_path / f"orders.csv.{ending}"
    if ending == "gz":
        path.write_bytes(gzip.compress(text))
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(text)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        InputError, match=rf"^'{re.escape(str(path))}' cannot be read to its end .*export it again$"
    ):
        read(source=path)


def test_refuses_an_empty_file(read, tmp_path):
    message = (
        f"'{tmp_path / 'orders.csv'}' is empty; it needs a header line with column names and at least one "
        "data line"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read("")


def test_refuses_a_lone_header(read, tmp_path):
    message = f"'{tmp_path / 'orders.csv'}' has a header and no data line; export it again"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read("customer,day,amount\n")


def test_quarantines_broken_lines(read, rows, reasons, tmp_path):
    text = (
        b"customer,day,amount\n"
        b"ann,2024-01-05,10\n"
        b"few,2024-01-05\n"
        b"many,2024-01-05,10,1,2\n"
        b'"stray"quote,2024-01-05,10\n'
        b"\n"
        b"bob,2024-01-06,20.5\n"
    )
    log = read(text, rejects=tmp_path / "rejects.csv")
    assert rows(log) == ROWS
    assert reasons(log) == {
        (reason, "rejected"): (1, None) for reason in (TOO_FEW_COLUMNS, TOO_MANY_COLUMNS, STRAY_QUOTE)
    }
    assert log.quality.rows_in == 5
    with (tmp_path / "rejects.csv").open(newline="") as file:
        found = list(csv.reader(file))
    source = str(tmp_path / "orders.csv")
    assert found == [
        ["reason", "file", "line", "customer", "day", "amount"],
        [TOO_FEW_COLUMNS, source, "3", "few", "2024-01-05", ""],
        [TOO_MANY_COLUMNS, source, "4", "many", "2024-01-05", "10,1,2"],
        [STRAY_QUOTE, source, "5", '"stray"quote,2024-01-05,10', "", ""],
    ]


def test_quarantines_a_line_too_long_for_any_reader(read, rows, reasons):
    log = read(PLAIN + f"cid,2024-01-05,{'9' * 3_000_000}\n")
    assert rows(log) == ROWS
    assert reasons(log) == {(TOO_LONG, "rejected"): (1, None)}


def test_refuses_a_quote_that_swallows_lines(read, tmp_path):
    message = (
        f"'{tmp_path / 'orders.csv'}' line 3: a quote (\") is opened and not closed before line 4, so "
        "lines cannot "
        'be told apart; close it, or write a quote inside a quoted field twice ("")'
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read('customer,day,amount\nann,2024-01-05,10\nbob,"2024-01-06,20.5\ncid,2024-01-07,1\n')


def test_keeps_line_breaks_inside_quotes(read, rows, tmp_path):
    text = (
        'customer,day,amount,note\nann,2024-01-05,10,"two\nlines"\n,2024-01-05,1,x\nbob,2024-01-06,20.5,y\n'
    )
    log = read(text, rejects=tmp_path / "rejects.csv")
    assert rows(log) == ROWS
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1].split(",")[2] == "4"


def test_refuses_a_mapped_column_that_stands_twice(read, tmp_path):
    message = f"'{tmp_path / 'orders.csv'}' has several columns called 'amount'; rename all but one"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read("customer,day,amount,amount\nann,2024-01-05,10,11\n")


def test_names_blank_and_repeated_columns(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,,a,A,\n")
    layout = read_layout(path)
    assert layout.columns == ("a", "column_2", "a_2", "A", "column_5")
    assert layout.repeated == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\ncustomer;day;amount\nann;2024-01-05;10\nbob;2024-01-06;20,5\n",
        '"sep=,"\r\ncustomer,day,amount\r\nann,2024-01-05,10\r\nbob,2024-01-06,20.5\r\n',
        "Orders of 2024, all shops, by day, net\n\n" + PLAIN,
        "Orders of 2024;;\nprinted 31.01.2024;;\ncustomer;day;amount\nann;2024-01-05;10\nbob;2024-01-06;20,5\n",
        "Export\n" + PLAIN.replace(",", "\t"),
    ],
    ids=["sep", "quoted sep", "title with delimiters", "titles", "title above tabs"],
)
def test_lines_above_the_header(read, rows, text, tmp_path):
    assert rows(read(text)) == ROWS
    # The numbers of lines count what stands above.
    log = read(text + "\n", name="again.csv")
    assert rows(log) == ROWS


def test_rejects_count_the_lines_above_the_header(read, tmp_path):
    read("sep=;\ncustomer;day;amount\nann;2024-01-05;10\n;2024-01-06;20,5\n", rejects=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1].split(",")[2] == "4"


def test_line_breaks_in_the_header(read, rows):
    text = 'customer,"day\nof order",amount\nann,2024-01-05,10\nbob,2024-01-06,20.5\n'
    assert rows(read(text, columns={"order_date": "day of order"})) == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_reads_txt(read, rows, delimiter):
    assert rows(read(PLAIN.replace(",", delimiter), name="orders.txt")) == ROWS


def test_decimal_commas_do_not_pass_for_delimiters(read, rows):
    text = "customer;day;amount;note\nann;2024-01-05;10,00;a, b, c, d\nbob;2024-01-06;20,50;e, f, g\n"
    assert rows(read(text)) == ROWS


def test_careful_reader_agrees_with_duckdb_on_well_formed_files(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('a,b\n1,"x ""y"", z"\n"",ü\n 2 ,\n')
    connection = duckdb.connect()
    copy_carefully(connection, path, read_layout(path), "careful")
    careful = connection.execute("SELECT line, broken, c0, c1 FROM careful").fetchall()
    assert careful == [(2, None, "1", 'x "y", z'), (3, None, None, "ü"), (4, None, " 2 ", None)]
    fast = connection.execute(
        f"SELECT * FROM read_csv('{path}', all_varchar = true, header = true)"
    ).fetchall()
    assert fast == [row[2:] for row in careful]


def test_a_field_of_50_mb_costs_its_line_and_no_other(read, rows, reasons, tmp_path):
    rejects = tmp_path / "rejects.csv"
    text = HEADER + "ann,2024-01-05,10\n" + "x" * 50_000_000 + ",2024-01-05,1\nbob,2024-01-06,20\n"
    log = read(text, rejects=rejects)
    assert [row[0] for row in rows(log)] == ["ann", "bob"]
    assert reasons(log) == {("broken line: field too long", "rejected"): (1, None)}
    assert (
        rejects.read_text()
        .splitlines()[1]
        .startswith(f"broken line: field too long,{tmp_path}/orders.csv,3,xxxx")
    )
    assert rejects.stat().st_size < 5_000


@pytest.mark.parametrize("blank", ["", "\n"], ids=["by DuckDB", "line by line"])
def test_a_field_of_a_megabyte_is_a_field_whoever_reads_it(read, rows, blank):
    log = read(HEADER + "x" * 1_000_000 + ",2024-01-05,10\n" + blank + "bob,2024-01-06,20\n")
    assert [len(row[0]) for row in rows(log)] == [3, 1_000_000]


@pytest.mark.parametrize("quote", ['"', 'a"', '"a""'])
def test_a_long_line_with_a_quote_does_not_take_the_next_with_it(read, rows, reasons, quote):
    log = read(HEADER + quote + "x" * 3_000_000 + ",2024-01-05,1\nbob,2024-01-06,20\n")
    assert [row[0] for row in rows(log)] == ["bob"]
    assert reasons(log) == {("broken line: field too long", "rejected"): (1, None)}


def test_a_header_beyond_128_kb_is_one_message(read, tmp_path):
    for header in (
        "customer,day,amount," + "x" * 200_000,
        '"' + "y" * 10_000_000 + '",day,amount',
        "\0" * 10_000_000,
    ):
        with pytest.raises(InputError) as refused:
            read(header + "\nann,2024-01-05,1\n")
        assert len(str(refused.value)) < 400
    with pytest.raises(
        InputError, match=r"has a name of more than 10,000 letters: it is not a header; export it again"
    ):
        read("customer,day,amount," + "x" * 200_000 + "\n")


def test_many_columns_are_no_long_header(read, rows):
    more = ",".join(f"column {number}" for number in range(5_000))
    log = read(f"customer,day,amount,{more}\nann,2024-01-05,10{',' * 5_000}\n")
    assert len(rows(log)) == 1


@pytest.mark.parametrize(
    ("ending", "kind"), [(".gz", "zeros"), (".gz", "blank lines"), (".gz", "one line"), (".zst", "one line")]
)
def test_what_unpacks_to_much_keeps_within_the_memory(tmp_path, ending, kind):
    path = tmp_path / f"orders.csv{ending}"
    block = {"zeros": b"\0", "one line": b"x", "blank lines": b"\n"}[kind] * 1_000_000
    opened = gzip.open if ending == ".gz" else lambda path, mode: pa.CompressedOutputStream(str(path), "zstd")
    with opened(path, "wb") as file:
        file.write(b"" if kind == "zeros" else HEADER.encode() + b"ann,2024-01-05,10\n")
        for _ in range(5 if kind == "blank lines" else 150):
            file.write(block)
    assert path.stat().st_size < 1_000_000
    words = [sys.executable, "-c", MEASURED, "check", str(path), "--memory", "1GB"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    code, megabytes = ended.stderr.split()[-2:]
    assert int(code) == (2 if kind == "zeros" else 0), ended.stderr
    assert int(megabytes) < 1_000


def test_a_delimiter_inside_quoted_fields_of_every_line_is_none(read, rows):
    log = read('customer,day,amount\nann,2024-01-05,"1,50&nbsp;&euro;"\nbob,2024-01-06,"2,50&nbsp;&euro;"\n')
    assert {row[2] for row in rows(log)} == {1.5, 2.5}


@pytest.mark.parametrize("title", ['"Best" cup', '"Best cup', '7" plate', '"Cup"', '"a""b"'])
def test_quotes_of_titles_enclose_no_field_of_a_file_with_tabs(read, title):
    """Amazon writes titles as they are."""
    lines = "".join(
        f"c{n % 7}\t{title if n % 9 == 0 else 'Cup'}\t2024-01-{n % 28 + 1:02}\t{n}\n" for n in range(40)
    )
    log = read(f"customer\ttitle\tday\tamount\n{lines}", max_unreadable=0.01)
    assert (log.quality.rows_out, log.quality.money_out) == (40, sum(range(40)))


def test_quotes_around_fields_of_a_file_with_tabs_enclose_them(read):
    text = 'customer\tday\tamount\tnote\n"a\tnn"\t2024-01-05\t1\t"two\nlines"\nbob\t2024-01-06\t2\t"x"\n'
    assert read(text).quality.rows_out == 2


def test_a_delimiter_at_the_end_of_lines_alone_makes_no_other_one(read, rows):
    text = "customer;day;amount\nann;2024-01-05;1.234,50;\nbob;2024-01-06;20,50;\n"
    assert [(row[0], row[2]) for row in rows(read(text))] == [("ann", 1234.5), ("bob", 20.5)]
