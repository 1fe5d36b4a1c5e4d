"""HTML and XML that are called workbooks."""

from __future__ import annotations

import re

import pytest

from clvml.errors import InputError
from clvml.log.readers.markup import read_markup

ROWS = [("ann", "2024-01-05 00:00:00", 1234.5), ("bob & co", "2024-01-06 00:00:00", 20.5)]
HTML = """<html><head><style>td {color: red}</style></head><body><h1>Bestellungen</h1>
<table border="1"><tr><td colspan="3">Export vom 7.1.</td></tr>
<tr><th>customer</th><th>day</th><th>amount</th></tr>
<tr><td>ann</td><td>05.01.2024</td><td>1.234,50</td></tr>
<tr><td>bob &amp; co<td>06.01.2024<td>20,50
</table></body></html>"""
XML = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Worksheet ss:Name="Orders"><Table>
<Row><Cell><Data ss:Type="String">customer</Data></Cell><Cell><Data ss:Type="String">note</Data></Cell>
<Cell><Data ss:Type="String">day</Data></Cell><Cell><Data ss:Type="String">amount</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">ann</Data></Cell><Cell ss:Index="3">
<Data ss:Type="DateTime">2024-01-05T00:00:00.000</Data></Cell><Cell><Data ss:Type="Number">1234.5</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">bob &amp; co</Data></Cell><Cell><Data ss:Type="String">x</Data></Cell>
<Cell><Data ss:Type="DateTime">2024-01-06T00:00:00.000</Data></Cell>
<Cell><Data ss:Type="Number">20.5</Data></Cell></Row>
</Table></Worksheet></Workbook>"""


@pytest.mark.parametrize("text", [HTML, XML])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_tables_are_read(read, rows, tmp_path, text, encoding):
    path = tmp_path / "orders.xls"
    path.write_text(text, encoding=encoding)
    assert rows(read(source=path)) == ROWS


GREEK = HTML.replace("ann", "Ελένη")


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        ('<?xml version="1.0" encoding="windows-1253"?>', {}),
        ("<meta content='text/html; charset=cp1253'>", {}),
        ("<meta charset=windows-1252>", {"encoding": "cp1253"}),
        ("<meta charset=iso-8859-1>", {"encoding": "cp1253"}),
    ],
)
def test_a_page_is_in_the_encoding_that_is_named(read, rows, tmp_path, declared, keys):
    path = tmp_path / "orders.xls"
    path.write_text(GREEK.replace("<style>", declared + "<style>"), encoding="cp1253")
    log = read(source=path, **keys)
    assert [row[0] for row in rows(log)] == ["bob & co", "Ελένη"]
    assert log.quality.read_as["encoding"] == "cp1253"


@pytest.mark.parametrize(
    "declared", ["", "<meta charset=cp65001>", "<meta charset=cp037>", "<meta charset=cpx>"]
)
def test_what_is_guessed_of_a_page_is_told(read, tmp_path, declared):
    path = tmp_path / "orders.xls"
    path.write_text(GREEK.replace("<style>", declared + "<style>"), encoding="cp1253")
    assert "assumed-encoding" in [warning.code for warning in read(source=path).quality.warnings]


def test_text_that_xml_encloses_is_read(read, rows, tmp_path):
    path = tmp_path / "orders.xls"
    path.write_text(XML.replace("bob &amp; co", "<![CDATA[bob & co]]>"))
    assert rows(read(source=path)) == ROWS


def test_the_table_with_the_mapped_columns_is_taken(read, rows, tmp_path):
    path = tmp_path / "orders.xls"
    menu = "<table><tr><td>Home</td><td>Shop</td></tr><tr><td>1</td><td>2</td></tr></table>"
    path.write_text(menu + HTML)
    assert rows(read(source=path)) == ROWS


INNER = "<table><tr><td>sku</td><td>qty</td></tr><tr><td>x</td><td>1</td></tr></table>"


@pytest.mark.parametrize(
    "text",
    [
        HTML.replace("<td>ann", f"<td>{INNER}ann"),
        f"<table><tr><td>{INNER}<tr><td>{HTML}</td></tr><tr><td>foot</td><td>er</td></tr></table>",
        f"<table><tr><td>a</td><td>{HTML}",
    ],
)
def test_a_table_inside_a_cell_is_one_of_its_own(read, rows, tmp_path, text):
    path = tmp_path / "orders.xls"
    path.write_text(text)
    assert rows(read(source=path)) == ROWS


@pytest.mark.parametrize("text", ["<html><body>Please log in</body></html>", "<table>", "<td>1</td>", "<"])
def test_pages_without_a_table_are_refused(read, tmp_path, text):
    path = tmp_path / "orders.xls"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(f"'{path}' holds no table; it needs a header row")):
        read(source=path)


def test_spans_and_places_that_are_absurd_are_cut(read, rows, tmp_path):
    path = tmp_path / "orders.xls"
    absurd = '<Row><Cell ss:Index="9999999999" colspan="9999999999"/></Row>'
    path.write_text(XML.replace("<Table>", f"<Table>{absurd}"))
    assert len(read_markup(path, "utf-8")["Orders"][0]) < 2_000
    assert rows(read(source=path)) == ROWS


def test_a_section_that_is_none_of_html_is_refused(tmp_path):
    path = tmp_path / "orders.xls"
    path.write_text("<![other[ x ]]><table><tr><td>a</td></tr></table>")
    with pytest.raises(InputError, match="no HTML or XML that can be read"):
        read_markup(path, "utf-8")


def test_many_tables_that_are_left_out_are_named_in_part(read, tmp_path):
    path = tmp_path / "orders.xls"
    path.write_text(HTML + INNER * 200)
    (finding,) = [each for each in read(source=path).quality.warnings if each.code == "sheets-left-out"]
    assert "'table 2', " in finding.text and "table 201" not in finding.text
