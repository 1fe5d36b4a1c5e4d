"""Frames: what stands in one is read as its file would be."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import clvml
from clvml.errors import InputError

CSV = (
    "customer_id,order_date,amount,order_id\n"
    "17,2024-01-05,10.5,536365\n17,2024-03-01,5,C536379\n4,2024-03-02,7.25,536381\n"
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "orders.csv"
    path.write_text(CSV)
    return clvml.read_log(path)


def lines(**columns):
    frame = pd.DataFrame(
        {
            "customer_id": ["17", "17", "4"],
            "order_date": ["2024-01-05", "2024-03-01", "2024-03-02"],
            "amount": [10.5, 5.0, 7.25],
            "order_id": ["536365", "C536379", "536381"],
        }
    )
    return frame.assign(**columns)


@pytest.mark.parametrize(
    "frame",
    [
        lines(),
        lines(customer_id=[17, 17, 4]),
        lines(customer_id=pd.Categorical([17, 17, 4])),
        lines(customer_id=pd.Categorical(["17", "17", "4"])),
        lines(customer_id=pd.array([17, 17, 4], dtype="Int64")),
        lines(customer_id=[17.0, 17.0, 4.0]),
        # As pandas reads Excel: numbers, and text where a letter stands before them.
        lines(order_id=np.array([536365, "C536379", 536381], dtype=object)),
        lines(customer_id=np.array([17, "17", 4], dtype=object)),
        lines(order_date=pd.to_datetime(["2024-01-05", "2024-03-01", "2024-03-02"])),
        lines(order_date=pd.to_datetime(["2024-01-05", "2024-03-01", "2024-03-02"]).astype("datetime64[s]")),
        lines(order_date=pd.to_datetime(["2024-01-05", "2024-03-01", "2024-03-02"], utc=True)),
        lines(order_date=pd.PeriodIndex(["2024-01-05", "2024-03-01", "2024-03-02"], freq="D")),
        lines(order_date=[date(2024, 1, 5), date(2024, 3, 1), date(2024, 3, 2)]),
        lines(order_date=np.array([date(2024, 1, 5), "2024-03-01", datetime(2024, 3, 2)], dtype=object)),
        lines(amount=[Decimal("10.5"), Decimal("5"), Decimal("7.25")]),
        lines(amount=np.array(["10.5", 5, 7.25], dtype=object)),
        lines(amount=pd.arrays.SparseArray([10.5, 5.0, 7.25])),
        lines(amount=pd.array([10.5, 5.0, 7.25], dtype="Float64")),
        lines(amount=pd.Series([10.5, 5, 7.25]).astype("float32")),
        lines().set_index("customer_id"),
        lines().set_index(["customer_id", "order_date"]),
        lines().set_index(pd.Index([9, 9, 9])),
        lines(extra=pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]), huge=[2**70, 1, 2]),
        lines()[["amount", "order_id", "customer_id", "order_date"]],
    ],
)
def test_a_frame_is_read_as_its_file(frame, written):
    before = frame.copy(deep=True)
    assert clvml.read_log(frame).fingerprint == written.fingerprint
    pd.testing.assert_frame_equal(frame, before)


def test_an_index_with_a_name_is_a_column(written):
    frame = lines(extra=1).set_index("extra")
    assert clvml.read_log(frame, columns={"quantity": "extra"}).frame()["quantity"].tolist() == [
        1.0,
        1.0,
        1.0,
    ]
    assert written.frame().columns.tolist() == ["customer_id", "order_ts", "amount", "order_id"]


def test_an_index_and_a_column_of_one_name_are_refused():
    for frame in (lines().set_index("order_id", drop=False), lines().rename_axis("amount")):
        with pytest.raises(
            InputError, match=f"several columns called '{frame.index.name}' .an index with a name"
        ):
            clvml.read_log(frame)


def test_what_is_missing_is_counted():
    frame = lines(customer_id=["17", None, "4"], amount=[np.nan, 1.0, 7.25])
    read = clvml.read_log(frame)
    assert (read.quality.rows_in, read.quality.rows_out) == (3, 1)


def test_rejected_rows_are_written(tmp_path):
    clvml.read_log(lines(amount=[None, 1.0, 7.25]), rejects=tmp_path / "rejects.csv")
    assert pd.read_csv(tmp_path / "rejects.csv")["file"].tolist() == ["DataFrame"]


@pytest.mark.parametrize("values", [[{"a": 1}, "x", 2], [object(), 1, 2], [[1], "x", 2]])
def test_what_no_table_can_hold_is_refused(values):
    message = r"column 'amount' of the DataFrame mixes what no table can hold \(.*\); make it text or numbers"
    with pytest.raises(InputError, match=message):
        clvml.read_log(lines(amount=pd.Series(values, dtype=object)))


@pytest.mark.parametrize("source", [3, None, ["a.csv"], {"customer_id": ["a"]}])
def test_what_is_no_log_is_refused(source):
    with pytest.raises(TypeError, match="a purchase log is a pandas frame, a path or an address, not"):
        clvml.read_log(source)


@pytest.mark.parametrize(
    "as_of", ["2024-02-01", date(2024, 2, 1), datetime(2024, 2, 1), pd.Timestamp("2024-02-01")]
)
def test_nothing_from_as_of_on_is_used(as_of):
    read = clvml.read_log(lines(), as_of=as_of)
    assert (read.as_of, read.quality.rows_out) == (date(2024, 2, 1), 1)


@pytest.mark.parametrize("as_of", ["soon", "2024-13-01", datetime(2024, 2, 1, 12), 20240201, "", pd.NaT])
def test_other_dates_are_refused(as_of):
    with pytest.raises(InputError, match=r"as_of=.* is not a day; give a date, or text such as '2024-01-31'"):
        clvml.read_log(lines(), as_of=as_of)


def test_keys_of_section_data_are_taken_and_others_refused():
    assert clvml.read_log(lines(), refunds="drop").data.refunds == "drop"
    with pytest.raises(InputError, match=r"read_log has 1 problem:\n  - unknown key 'refund'"):
        clvml.read_log(lines(), refund="drop")
