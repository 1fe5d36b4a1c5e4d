"""Tables beside the log: what spreadsheets make of a file of customers, read as a log would be."""

import re

import numpy as np
import pandas as pd
import pytest
from tests.log.workbooks import write_xlsx

from clvml.errors import InputError
from clvml.log.table import days_of, read_table, with_numbers

ROWS = [("007", "0,42", "12.06.2024"), ("=1+1", "1.234,50", "30.06.2024")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("german.csv", "\ufeffcustomer_id;margin;day\n007;0,42;12.06.2024\n'=1+1;1.234,50;30.06.2024\n"),
        ("tabs.txt", "customer_id\tmargin\tday\n007\t0,42\t12.06.2024\n'=1+1\t1.234,50\t30.06.2024\n"),
        ("sep.csv", 'sep=;\ncustomer_id;margin;day\n007;0,42;12.06.2024\n=1+1;"1.234,50"; 30.06.2024 \n'),
        (
            "lines.jsonl",
            '{"customer_id": "007", "margin": "0,42", "day": "12.06.2024"}\n'
            '{"customer_id": "=1+1", "margin": "1.234,50", "day": "30.06.2024"}\n',
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_texts_are_the_same_from_any_file(tmp_path, name, content, encoding):
    if encoding == "utf-16" and name.endswith("jsonl"):
        pytest.skip("JSON lines are UTF-8")
    (tmp_path / name).write_text(content.lstrip("\ufeff") if encoding == "utf-16" else content, encoding)
    table = read_table(tmp_path / name, "costs")
    assert table.to_records(index=False).tolist() == ROWS
    assert with_numbers(table, "costs")["margin"].tolist() == [0.42, 1234.5]
    assert days_of(table["day"], "day").tolist() == np.array(["2024-06-12", "2024-06-30"], "M8[D]").tolist()


def test_blank_lines_are_no_rows(tmp_path):
    path = tmp_path / "ids.csv"
    for text in ("customer_id\n7\n\n8\n\n\n", "customer_id,day\n7,1\n\n8,2\n\n\n"):
        path.write_text(text)
        assert read_table(path, "costs")["customer_id"].tolist() == ["7", "8"]


def test_excel_and_parquet_keep_what_they_hold(tmp_path):
    frame = pd.DataFrame({"customer_id": [17, 4], "margin": [0.25, np.nan], "day": ["2024-06-12"] * 2})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.assign(customer_id=[17.0, 4.0]).to_parquet(tmp_path / "b.parquet")
    write_xlsx(
        tmp_path / "c.xlsx",
        {"Costs": [list(frame), [17, 0.25, "2024-06-12"], [4, None, "2024-06-12"]]},
    )
    for name in ("a.parquet", "b.parquet", "c.xlsx"):
        table = read_table(tmp_path / name, "costs")
        assert table["customer_id"].tolist() == ["17", "4"]
        assert with_numbers(table, "costs")["margin"].tolist()[0] == 0.25
        assert table["margin"].isna().tolist() == [False, True]


def test_only_columns_of_numbers_become_numbers():
    table = pd.DataFrame(
        {"number": ["1.5", "NA"], "word": ["1.5", "x"], "truth": ["True", "false"], "none": [None, None]},
        dtype="string",
    )
    found = with_numbers(table, "e")
    assert found["number"].tolist()[0] == 1.5
    assert found["number"].isna().tolist() == [False, True]
    assert found["word"].tolist() == ["1.5", "x"]
    assert found["truth"].tolist() == [1.0, 0.0]
    assert found["none"].isna().all()


def test_a_header_alone_is_a_table_of_nobody(tmp_path):
    (tmp_path / "o.csv").write_text("customer_id,channel\n")
    table = read_table(tmp_path / "o.csv", "opt-outs")
    assert (len(table), list(table)) == (0, ["customer_id", "channel"])


def test_what_a_column_leaves_open_is_asked_for(tmp_path):
    with pytest.raises(
        InputError, match=re.escape("costs: column 'margin' holds '1,234', and nothing in it tells")
    ):
        with_numbers(pd.DataFrame({"margin": ["1,234"]}, dtype="string"), "costs")
    with pytest.raises(InputError, match="nothing in it tells day, month and year apart"):
        days_of(pd.Series(["03/04/2024"], dtype="string"), "past contacts")
    dotted = pd.Series(["01.02.2024", "01.03.2024", "2.2.2024"], dtype="string")
    assert (
        days_of(dotted, "x").tolist()
        == np.array(["2024-02-01", "2024-03-01", "2024-02-02"], "M8[D]").tolist()
    )
    clear = pd.Series(["02.13.2024", "03.01.2024"], dtype="string")
    assert days_of(clear, "x").tolist() == np.array(["2024-02-13", "2024-03-01"], "M8[D]").tolist()
    assert np.isnat(days_of(pd.Series(["soon", None], dtype="string"), "x")).all()
    assert days_of(pd.Series([], dtype="string"), "x").tolist() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("customer_id,a,a\n1,2,3\n", "several columns called 'a'"),
        ("customer_id,a\n1,2\n3,4,5\n", "line 3: "),
        ('customer_id,a\n1,"2\n', "stray quote"),
        (None, "does not exist"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(tmp_path, content, said):
    if content is not None:
        (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=re.escape(said)):
        read_table(tmp_path / "t.csv", "costs")
