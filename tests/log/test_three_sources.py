"""Online Retail II, split into three sources of other ids, currencies and time zones, is itself again."""

import runpy
from datetime import datetime
from pathlib import Path

import pytest

from clvml.config import read_config
from clvml.log import read_purchase_log

ROOT = Path(__file__).parents[2]
NOW = datetime(2012, 1, 1)
MONEY = "round(sum(amount) * 1000000)::BIGINT"


@pytest.fixture
def split(tmp_path, monkeypatch):
    """Return the configuration that joins the parts, which are written."""
    runpy.run_path(str(ROOT / "examples" / "three_sources.py"))["main"](tmp_path / "out" / "three_sources")
    monkeypatch.chdir(tmp_path)
    return read_config(ROOT / "configs" / "three_sources.yaml")


def test_the_same_customers_and_money_to_the_penny(split, tmp_path):
    joined = read_purchase_log(split.data, now=NOW, crosswalk=tmp_path / "crosswalk.parquet")
    whole = read_config(ROOT / "configs" / "online_retail.yaml").data
    source = str(ROOT / "data" / "online_retail_ii.parquet")
    alone = read_purchase_log(whole, source=source, now=NOW)
    for name in ("rows_out", "customers", "orders", "purchase_days", "first_day", "last_day"):
        assert getattr(joined.quality, name) == getattr(alone.quality, name), name
    assert round(joined.quality.money_out, 2) == round(alone.quality.money_out, 2)
    # Whoever is who: what each spent on each day, without the names.
    by_customer = (
        f"SELECT order_day, order_id, {MONEY} FROM purchase_log GROUP BY customer_id, order_day, order_id"
    )
    rows = [
        log.connection.execute(f"SELECT * FROM ({by_customer}) ORDER BY ALL").fetchall()
        for log in (joined, alone)
    ]
    assert rows[0] == rows[1]
    totals = f"SELECT {MONEY} AS money FROM purchase_log GROUP BY customer_id ORDER BY 1"
    assert joined.connection.execute(totals).fetchall() == alone.connection.execute(totals).fetchall()
    assert joined.quality.rows_in == joined.quality.rows_out + sum(
        count.rows for count in joined.quality.reasons if count.treatment in ("rejected", "dropped")
    )
