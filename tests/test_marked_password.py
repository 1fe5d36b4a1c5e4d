"""A password with a mark in it, in every place where one can be given: it is found in no output, file or store."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from tests.test_secrets import ADDRESSES, MARK

from clvml import cli, workflows

# Nobody answers there, and nobody has to be asked for the name.
NOWHERE = [
    re.sub(r"@(db|h|h1:1,h2:2|host|host:3306|acct|127\.0\.0\.1:5000)(?=[/?:]|$)", "@127.0.0.1:9", address)
    for address in ADDRESSES
]
# Of each way to write a secret one; `test_secrets` has them all.
TELLING = [
    address
    for address in NOWHERE
    if address.startswith(("postgres:", "s3:", "sqlite://u", "https://M", "sc:", "mssql"))
]
COLUMNS = {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"}
CONFIG = {"data": {"source": "orders.csv", "columns": COLUMNS}, "windows": {"horizon_days": 30}}


@pytest.fixture
def marked(monkeypatch, capfd, tmp_path):
    """Return a function that runs `clvml` and looks for the mark: (exit code, all that was said)."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/none.db")
    for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"{MARK}-{name}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (folder / "orders.csv").write_text("customer_id,order_date,amount\n1,2024-01-01,5\n2,2024-02-01,7\n")
    (folder / "shop.yaml").write_text(yaml.safe_dump(CONFIG))
    given = {folder / "given.yaml"}

    def run(*words: object, config: str | None = None) -> tuple[int, str]:
        if config is not None:
            (folder / "given.yaml").write_text(config)
        monkeypatch.setattr("sys.argv", ["clvml", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = "".join(capfd.readouterr())
        assert MARK not in said
        assert_no_mark(tmp_path, given)
        return int(end.value.code or 0), said

    return run


def assert_no_mark(folder: Path, but: set[Path] = frozenset()) -> None:
    for path in folder.rglob("*"):
        assert MARK not in str(path)
        if path.is_file() and path not in but:
            assert MARK.encode() not in path.read_bytes(), path


def _attributes(address: str) -> list[str]:
    return ["--set", f"data.attributes.source={address}"]


@pytest.mark.parametrize("address", NOWHERE)
def test_as_tracking_address(address, marked, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for words in (
        ["compare"],
        ["promote", "1"],
        ["score", "orders.csv", "-o", "s.csv"],
        ["train", "--from-run", "1"],
    ):
        code, said = marked(*words)
        assert code == 2
        assert "Traceback" not in said


@pytest.mark.parametrize("address", TELLING)
def test_on_the_command_line_and_in_a_configuration(address, marked):
    source = yaml.safe_dump({**CONFIG, "data": {**CONFIG["data"], "source": address}})
    horizon = yaml.safe_dump({**CONFIG, "windows": {"horizon_days": address}})
    for words, config in (
        (["check", address], None),
        (["backtest", "-c", "shop.yaml", "--data", address], None),
        (["backtest", "-c", "shop.yaml", "--set", f"data.source={address}"], None),
        (["backtest", "-c", "shop.yaml", *_attributes(address)], None),
        (["backtest", "-c", "shop.yaml", "--set", f"windows.horizon_days={address}"], None),
        (["backtest", "-c", "shop.yaml", "--set", f"model.{address}=1"], None),
        (["backtest", "-c", "shop.yaml", "--set", address], None),
        (["backtest", "-c", address], None),
        (["backtest", "-c", "given.yaml"], source),
        (["train", "-c", "given.yaml", "--json"], source),
        (["backtest", "-c", "given.yaml"], horizon),
        (["backtest", "-c", "given.yaml"], yaml.safe_dump({**CONFIG, address: 1})),
        (["backtest", "-c", "given.yaml"], f"data: [{address}\n"),
        (["experiment", "given.yaml"], yaml.safe_dump({"question": address, "base": {"data": address}})),
        (["score", "orders.csv", "--output", address], None),
        (["score", "orders.csv", "--output", "s.csv", "--model", address], None),
        (["score", "orders.csv", "--output", "s.csv", "--as-of", address], None),
        (["score", "orders.csv", "--output", "s.csv", "--explain", address], None),
        (["check", "orders.csv", "--rejects", address], None),
        (["check", "orders.csv", "--memory", address], None),
        (["promote", address], None),
        (["train", "--from-run", address], None),
        (["monitor", address, "--data", address], None),
        (["sync", address], None),
        (["compare", "--by", address], None),
        (["compare", "--output", address], None),
        (["sql", "--dialect", address], None),
        (["sql", "-d", "duckdb", "-c", "shop.yaml", *_attributes(address), "--as-of", "2024-03-01"], None),
        (["backtest", "--folds", address], None),
        ([address], None),
        ([f"--{address}"], None),
    ):
        code, said = marked(*words, config=config)
        assert code == 2, (words, said)
        assert "Traceback" not in said


def test_in_a_defect_and_what_libraries_say(marked, monkeypatch):
    address = f"postgresql://ann:{MARK}/x@db/shop?table=orders"

    def fail(*arguments, **named):
        raise RuntimeError(f"{address}; ann:{MARK}%2Fx; password={MARK}; port '{MARK}'; {[address]!r}")

    monkeypatch.setattr(workflows, "prepare", fail)
    code, said = marked("backtest", "-c", "shop.yaml", "--data", address)
    assert code == 1
    assert "RuntimeError: postgresql://ann:***@db/shop?table=orders" in said
