from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import uvicorn
from tests.report.conftest import overview_of, scored_frame

from clvml.dashboard.app import build_app
from clvml.dashboard.server import listening
from clvml.dashboard.store import Snapshots

TODAY = date(2024, 3, 2)


def dashboard_frame(customers: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return rows as `clvml score` writes them, with all columns that the dashboard shows."""
    frame = scored_frame(customers, seed)
    tiers = np.select(
        [frame["clv"] > frame["clv"].quantile(share) for share in (0.95, 0.8, 0.5)],
        ["platinum", "gold", "silver"],
        "bronze",
    )
    frame = frame.assign(
        value_tier=tiers,
        expected_spend_low=(frame["expected_spend"] * 0.2).round(2),
        expected_spend_high=(frame["expected_spend"] * 2.2).round(2),
        next_order_date=np.where(frame["p_churn"] < 0.7, "2024-04-01", None),
        usual_gap_days=31.2,
    )
    for days, share in ((30, 0.35), (90, 1.0), (180, 1.8), (365, 3.0)):
        frame[f"expected_spend_{days}d"] = (frame["expected_spend"] * share).round(2)
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a scored file and its overview, each whole or not at all."""
    for target, content in (
        (path, frame.to_csv(index=False)),
        (path.with_suffix(".overview.json"), json.dumps(overview_of(frame))),
    ):
        draft = target.with_name("draft")
        draft.write_text(content, encoding="utf-8")
        draft.replace(target)
    return path


class Client:
    """A reader of the dashboard, who follows links."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(
            self.address + path,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
        )


Serve = Callable[..., tuple[Client, Path]]


@contextmanager
def served(snapshots: Snapshots, **settings: Any) -> Iterator[Client]:
    """Serve a dashboard in a thread."""
    listener = listening("127.0.0.1", 0)
    app = build_app(snapshots, lambda: TODAY, **settings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield client
    finally:
        client.session.close()
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return dashboard_frame()


@pytest.fixture(scope="session")
def client(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("dashboard")
    with served(Snapshots(write(frame, folder / "scores.csv"), folder)) as client:
        yield client


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves a frame of its own, and says where its file is."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def serving(frame: pd.DataFrame, **settings: Any) -> tuple[Client, Path]:
            path = write(frame, tmp_path / "scores.csv")
            return stack.enter_context(served(Snapshots(path, tmp_path), **settings)), path

        yield serving
