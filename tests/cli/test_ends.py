"""Usage errors, defects, interrupts and full disks: exit codes and last words."""

import subprocess
import sys

import pytest
from tests.cli.conftest import USAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scroe"], "No such command 'scroe'"),
        (["score", "log.csv"], "Missing option '--output' / '-o'"),
        (["check", "log.csv", "--sett", "a=b"], "No such option: --sett"),
        (["backtest", "--folds", "0"], "Invalid value for '--folds'"),
        (["backtest", "--folds", "three"], "Invalid value for '--folds'"),
    ],
)
def test_usage_errors(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(USAGE)
    assert f"\nError: {message}" in err
    assert "Traceback" not in err


def test_nothing_to_check_is_one_message(run):
    message = "Error: nothing to check; give DATA, or --config FILE that says where it is\n"
    assert run("check") == (2, "", message)


def test_a_defect_is_owned_up_to(run, shop, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("clvml.workflows.check_length", broken)
    code, out, err = run("check", shop.log)
    assert (code, out) == (1, "")
    first, second, *_ = err.splitlines()
    assert first == (
        "Error: ZeroDivisionError; this is a defect of clvml and not of your input: please report it with your command"
        " and the lines below"
    )
    assert second == "Traceback (most recent call last):"
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt(run, shop, monkeypatch, error):
    def interrupted(*arguments):
        raise error("Query interrupted")

    monkeypatch.setattr("clvml.workflows.check_length", interrupted)
    assert run("check", shop.log) == (130, "", "Interrupted.\n")


def test_a_full_disk_is_no_defect(run, shop, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "/tmp/x")

    monkeypatch.setattr("clvml.workflows.check_length", full)
    assert run("check", shop.log) == (
        2,
        "",
        "Error: the disk is full ([Errno 28] No space left on device: '/tmp/x'); make room, or point TMPDIR at a"
        " larger disk\n",
    )


def test_too_little_memory_is_no_defect(run, shop, monkeypatch):
    import duckdb

    def full(*arguments):
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block\nmore")

    monkeypatch.setattr("clvml.workflows.check_length", full)
    code, out, err = run("check", shop.log)
    assert (code, out) == (2, "")
    assert err == (
        "Error: there is too little memory (Out of Memory Error: could not allocate block); give more with --memory\n"
    )


def test_a_reader_that_leaves(shop):
    # As in `clvml check log.csv | head -0`, by the status that other tools end with.
    command = [sys.executable, "-m", "clvml", "check", str(shop.log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_closed_streams_end_no_work(shop, tmp_path):
    asked = f"exec '{sys.executable}' -m clvml check '{shop.log}' --rejects rejected.csv"
    assert subprocess.run(f"{asked} <&- >&- 2>&-", shell=True, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "rejected.csv").read_text().startswith("reason,file,line,")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path, closed):
    (tmp_path / "opens.py").write_text(
        "import os\nfrom clvml import cli\n"
        "def work():\n"
        "    number = os.open('opened', os.O_CREAT | os.O_WRONLY)\n"
        "    os.write(2, b'words of a library')\n"
        "    os.write(number, str(number > 2).encode())\n"
        "cli._run = work\ncli.main()\n"
    )
    asked = f"exec '{sys.executable}' opens.py {closed}"
    assert subprocess.run(asked, shell=True, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "opened").read_text() == "True"


def test_a_folder_that_is_gone(tmp_path):
    script = f"mkdir gone; cd gone; rmdir ../gone; exec '{sys.executable}' -m clvml check orders.csv"
    ended = subprocess.run(script, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: the current folder is not there any more; change to one that is")


def test_names_that_the_terminal_cannot_show(tmp_path):
    command = [sys.executable, "-X", "utf8=0", "-m", "clvml", "check", "顧客.csv"]
    environment = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"Error: '\\u9867\\u5ba2.csv' does not exist; ")


def test_help_needs_nothing_heavy():
    heavy = {
        "duckdb",
        "matplotlib",
        "mlflow",
        "numpy",
        "pandas",
        "rich",
        "scipy",
        "shap",
        "sklearn",
        "xgboost",
    }
    code = "import sys; from clvml import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert heavy & {name.partition(".")[0] for name in loaded.split()} == set()
