from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from tests.dashboard.conftest import dashboard_frame, write
from typer.testing import CliRunner

from clvml.cli import app
from clvml.dashboard.server import listening, serve
from clvml.errors import InputError


def test_a_port_in_use_is_one_message() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError, match=f"port {port} of '127.0.0.1' cannot be used .*; choose another with"
        ):
            listening("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", "no such host", "x" * 300, "192.0.2.1"])
def test_a_host_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(InputError, match=r"--host|cannot be used"):
        listening(host, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "shop.example"])
@pytest.mark.parametrize("password", [None, ""])
def test_another_host_needs_a_password(tmp_path: Path, host: str, password: str | None) -> None:
    with pytest.raises(InputError, match="set a password in CLVML_DASHBOARD_PASSWORD"):
        serve(tmp_path / "scores.csv", lambda: None, print, host=host, port=0, password=password)  # type: ignore[arg-type]


def test_the_command_from_start_to_end(tmp_path: Path) -> None:
    frame = dashboard_frame(30).assign(historic_spend=77.0)
    path = write(frame, tmp_path / "scores.csv")
    orders = tmp_path / "orders.csv"
    log = frame.assign(order_date="2024-01-05", amount=77.0)
    log[["customer_id", "order_date", "amount"]].to_csv(orders, index=False)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "CLVML_DASHBOARD_PASSWORD": "swordfish"}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/nowhere.db"
    command = [sys.executable, "-m", "clvml", "dashboard", "--scores", str(path)]
    command += ["--data", str(orders), "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            address = re.findall(r"http://127\.0\.0\.1:\d+/", line)[0]
            assert requests.get(address, timeout=60).status_code == 401
            assert "30 customers" in requests.get(address, auth=("ann", "swordfish"), timeout=60).text
            customer = requests.get(
                f"{address}customer?id=C00001", auth=("ann", "swordfish"), timeout=60
            ).text
            assert "What they bought" in customer and "€77 in the last 90 days" in customer
            trust = ""
            for _ in range(120):
                trust = requests.get(f"{address}trust", auth=("ann", "swordfish"), timeout=60).text
                if "MLflow is being asked" not in trust:
                    break
            assert "The model in use" in trust and "nowhere.db" in trust
            port = address.rstrip("/").rpartition(":")[2]
            second = subprocess.run(
                [*command[:-1], port], env=environment, capture_output=True, text=True, timeout=120
            )
            assert second.returncode == 2 and re.match(r"Error: port \d+ of", second.stderr)
        finally:
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and "Traceback" not in err and "swordfish" not in out + err
    assert list(temporary.iterdir()) == []


def test_a_file_that_is_not_there_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; make one with `clvml score`"):
        serve(tmp_path / "scores.csv", lambda: None, print, port=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("named", ["--data", "--config"])
@pytest.mark.parametrize("log", [None, "customer_id,order_date,amount\nsomebody,2024-01-05,7\n"])
def test_a_log_that_cannot_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, log: str | None
) -> None:
    scores = write(dashboard_frame(30), tmp_path / "scores.csv")
    orders, config = tmp_path / "orders.csv", tmp_path / "config.yaml"
    if log:
        orders.write_text(log)
    columns = "{customer_id: customer_id, order_date: order_date, amount: amount}"
    config.write_text(f"data: {{source: {orders}, columns: {columns}}}\nwindows: {{horizon_days: 90}}\n")
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    given = ["--data", str(orders)] if named == "--data" else ["--config", str(config)]
    result = CliRunner().invoke(app, ["dashboard", "--scores", str(scores), "--port", "0", *given])
    why = "holds orders of 0 of 30 scored customers" if log else f"{orders}' does not exist"
    if named == "--data":
        assert isinstance(result.exception, InputError) and why in str(result.exception)
    else:
        # What it names is shown if it can be: the rest is worth a look without it.
        assert result.exit_code == 0 and "The dashboard is at http://127.0.0.1:" in result.stdout
        assert (
            result.stderr.startswith("note: the orders of customers are not shown: ") and why in result.stderr
        )


def test_nothing_listens_afterwards() -> None:
    with listening("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
