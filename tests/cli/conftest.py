"""The command line in an empty folder with a store of its own."""

import json
from pathlib import Path

import pytest

from clvml import cli

USAGE = "Usage: clvml "
HEADER = "customer_id,order_date,amount,order_id,product_id\n"


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Return a function that runs `clvml` in an empty folder: (exit code, stdout, stderr without progress).

    Its attribute ``progress`` is the progress of the last run.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("COLUMNS", "100")

    def _run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["clvml", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        lines = err.splitlines(True)
        _run.progress = "".join(line for line in lines if line.startswith("... "))
        return end.value.code, out, "".join(line for line in lines if not line.startswith("... "))

    return _run


@pytest.fixture
def fails(run, tmp_path):
    """Return a function that runs `clvml` on bad input, checks that it leaves nothing, and gives its message."""

    def _fails(*arguments: object) -> str:
        before = contents(tmp_path)
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.endswith("\n")
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        return err.removeprefix("Error: ").removesuffix("\n")

    return _fails


@pytest.fixture
def shopping(shop, monkeypatch, run):
    """Return the shop, with its tracking store in the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
    return shop


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_object(out: str) -> dict:
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
