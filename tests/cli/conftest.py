"""The command line in an empty folder with a store of its own."""

import pytest

from clvml import cli


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Return a function that runs `clvml` with arguments: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def _run(*arguments):
        monkeypatch.setattr("sys.argv", ["clvml", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capfd.readouterr()

    return _run
