"""Write a small file, read it as a purchase log."""

from datetime import date, datetime
from pathlib import Path

import pytest

from clvml.config import DataConfig
from clvml.log import PurchaseLog, read_purchase_log

NOW = datetime(2024, 6, 1)
COLUMNS = {"customer_id": "customer", "order_date": "day", "amount": "amount"}


@pytest.fixture
def read(tmp_path):
    """Return a function that reads text (written to ``name``) or an existing source."""

    def _read(
        text: str | bytes | None = None,
        *,
        source: str | Path | None = None,
        name: str = "orders.csv",
        now: datetime = NOW,
        as_of: date | None = None,
        rejects: Path | None = None,
        connection=None,
        columns: dict | None = None,
        horizon_days: int | None = None,
        hints: bool = False,
        **keys,
    ) -> PurchaseLog:
        path = tmp_path / name if source is None else source
        if text is not None:
            Path(path).write_bytes(text.encode() if isinstance(text, str) else text)
        # A single odd line is more than one per cent of such a file.
        usual = {} if "preset" in keys else COLUMNS
        data = DataConfig.model_validate(
            {"source": str(path), "columns": {**usual, **(columns or {})}, "max_unreadable": 1, **keys}
        )
        return read_purchase_log(
            data,
            now=now,
            as_of=as_of,
            rejects=rejects,
            connection=connection,
            horizon_days=horizon_days,
            hints=hints,
        )

    return _read


@pytest.fixture
def rows():
    """Return a function that gives the purchase log's rows, sorted."""

    def _rows(log: PurchaseLog, columns: str = "customer_id, order_ts::VARCHAR, amount"):
        return log.connection.execute(f"SELECT {columns} FROM {log.table} ORDER BY ALL").fetchall()

    return _rows


@pytest.fixture
def reasons():
    """Return a function that gives ``{(reason, treatment): (rows, money)}`` of a log's report."""

    def _reasons(log: PurchaseLog):
        return {(count.reason, count.treatment): (count.rows, count.money) for count in log.quality.reasons}

    return _reasons
