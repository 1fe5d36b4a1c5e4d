"""The plan as a file: written whole, read as it was, and any change noticed."""

import os
import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvml.decide.plan_file import PLAN_COLUMNS, PlanRecord, read_plan, record_path, rows_digest, write_plan
from clvml.decide.playbook import parse_playbook
from clvml.errors import InputError

PLAYBOOK = parse_playbook(
    {"campaign": "spring", "actions": {"mail": {"contact_cost": 1, "save_rate": {"mean": 0.1, "sd": 0.1}}}}
)


def plan_of(customers, **columns):
    rows = {}
    for column in PLAN_COLUMNS:
        values = [None] * len(customers) if column.kind == "text" else np.arange(len(customers)) / 7
        rows[column.name] = pd.array(values, dtype="string") if column.kind == "text" else values
    table = pd.DataFrame(rows).assign(
        customer_id=pd.array(customers, dtype="string"), horizon_days=180, plan_id="p1", **columns
    )
    record = PlanRecord(
        plan_id="p1",
        digest=rows_digest(table),
        campaign="spring",
        as_of=date(2024, 7, 1),
        horizon_days=180,
        budget=10.0,
        currency=None,
        model_version="1",
        run_id="",
        playbook=PLAYBOOK,
        summary={"customers": len(customers)},
    )
    return table, record


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_plan_is_read_as_it_was_written(tmp_path, ending):
    table, record = plan_of(["=1+1", "NA", "'x", "007", "a,b", "Zoë"], segment="@lost", why="null")
    path = tmp_path / f"plan{ending}"
    write_plan(table, record, path)
    again, kept = read_plan(path)
    assert kept == record
    assert again["customer_id"].tolist() == table["customer_id"].tolist()
    assert again["expected_gain"].tolist() == table["expected_gain"].tolist()
    assert again["action"].isna().all()
    assert sorted(item.name for item in tmp_path.iterdir()) == [path.name, record_path(path).name]


def test_a_plan_whose_list_cannot_be_written_is_not_written(tmp_path):
    table, record = plan_of(["a"])
    (tmp_path / "spring-mail.csv").mkdir()
    lists = {tmp_path / f"spring-{action}.csv": table[["customer_id"]] for action in ("call", "mail")}
    with pytest.raises(InputError, match=re.escape("spring-mail.csv' cannot be written: Is a directory")):
        write_plan(table, record, tmp_path / "plan.csv", lists)
    assert [item.name for item in tmp_path.iterdir()] == ["spring-mail.csv"]


def test_another_order_of_rows_is_the_same_plan(tmp_path):
    table, record = plan_of(["a", "b", "c"])
    write_plan(table.iloc[::-1], record, tmp_path / "plan.csv")
    assert len(read_plan(tmp_path / "plan.csv")[0]) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("a,", "z,", 1),
        lambda text: text.replace("0.14285714285714285", "0.14", 1),
        lambda text: text.rsplit("\n", 2)[0] + "\n",
        lambda text: text.replace(",p1,", ",p2,"),
        lambda text: text.replace("0.14285714285714285", "lots", 1),
        lambda text: text.replace(",180,", ",,", 1),
    ],
)
def test_a_plan_edited_by_hand_is_refused(tmp_path, change):
    table, record = plan_of(["a", "b", "c"])
    path = tmp_path / "plan.csv"
    write_plan(table, record, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match="was changed since it was written"):
        read_plan(path)


def test_a_plan_without_its_record_is_refused(tmp_path):
    table, record = plan_of(["a"])
    path = tmp_path / "plan.csv"
    write_plan(table, record, path)
    record_path(path).unlink()
    with pytest.raises(InputError, match=re.escape("keep the two files together")):
        read_plan(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("plan.csv", None, "does not exist"),
        ("plan.txt", "", "must end in .csv or .parquet"),
        ("plan.csv", "", "cannot be read"),
        ("plan.csv", "customer_id,clv\na,1\n", "is not a plan: it lacks as_of"),
        ("plan.parquet", "no parquet", "cannot be read"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=re.escape(said)):
        read_plan(tmp_path / name)


def test_a_pipe_is_no_plan(tmp_path):
    os.mkfifo(tmp_path / "plan.csv")
    with pytest.raises(InputError, match="is a pipe, and no file"):
        read_plan(tmp_path / "plan.csv")
