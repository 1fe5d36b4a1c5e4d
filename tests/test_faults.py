"""Whatever happens to `clvml score`: the old output or the new one, whole; nothing left behind; a prompt end."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from clvml.scores.overview import overview_path

# Lines on stderr by which to see where the work is.
STAGES = ("reading", "building the features", "writing")


@pytest.fixture(scope="module")
def big_log(shop, tmp_path_factory):
    """A log of many copies of the shop's customers: long enough for every stage to be met."""
    lines = shop.lines
    copies = [lines.assign(customer_id=lines["customer_id"] + f"-{copy}") for copy in range(30)]
    path = tmp_path_factory.mktemp("big") / "orders.parquet"
    pd.concat(copies).to_parquet(path)
    return path


class Command:
    """`clvml score` of a log in a process of its own, with temporary files in a folder of its own."""

    def __init__(self, shop, log: Path, folder: Path) -> None:
        self.output = folder / "out" / "scores.csv"
        self.temporary = folder / "tmp"
        for place in (self.output.parent, self.temporary):
            place.mkdir(parents=True, exist_ok=True)
        self.words = [sys.executable, "-m", "clvml", "score", str(log), "--config", str(shop.config)]
        self.words += ["--output", str(self.output), "--memory", "1GB"]
        self.environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": shop.tracking,
            "TMPDIR": str(self.temporary),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, **options) -> subprocess.Popen:
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.words, env=self.environment, **pipes, **options)

    def run(self, **options) -> tuple[int, str]:
        process = self.start(**options)
        said = process.communicate(timeout=300)[1]
        return process.returncode, said

    def left(self) -> list[str]:
        found = [*self.output.parent.iterdir(), *self.temporary.glob("clvml-*")]
        return sorted(path.name for path in found if path not in (self.output, overview_path(self.output)))


@pytest.fixture
def command(shop, big_log, tmp_path):
    return Command(shop, big_log, tmp_path)


@pytest.fixture(scope="module")
def whole(shop, big_log, tmp_path_factory):
    """The output of a run that nothing happened to."""
    command = Command(shop, big_log, tmp_path_factory.mktemp("whole"))
    code, said = command.run()
    assert code == 0, said
    assert command.left() == []
    return command.output.read_bytes()


def wait_for(process: subprocess.Popen, stage: str) -> None:
    for line in process.stderr:
        if line.startswith(f"... {stage}"):
            return
    raise AssertionError(f"'{stage}' was not reached")


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage_the_old_output_stays_and_the_next_run_cleans_up(command, whole, stage):
    command.output.write_text("old")
    process = command.start()
    wait_for(process, stage)
    process.kill()
    process.communicate()
    assert command.output.read_bytes() in (b"old", whole)
    if stage == STAGES[-1]:
        # One run is enough to see that the next one works.
        assert command.run()[0] == 0
        assert command.output.read_bytes() == whole
        assert command.left() == []


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [(STAGES[0], signal.SIGINT, 130), (STAGES[1], signal.SIGINT, 130), (STAGES[1], signal.SIGTERM, 143)],
)
def test_an_interrupt_ends_soon_and_leaves_nothing(command, stage, number, code):
    process = command.start()
    wait_for(process, stage)
    process.send_signal(number)
    # Two seconds of an idle machine; a crowded one shall not fail the test.
    process.communicate(timeout=30)
    assert process.returncode == code
    assert command.left() == []
    assert not command.output.exists()


@pytest.mark.parametrize("spilling", [False, True], ids=["output", "database"])
def test_a_full_disk_is_one_message_and_keeps_the_old_output(command, spilling):
    command.output.write_text("old")
    limit = 200_000

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    if not spilling:
        command.words[command.words.index("--memory") :] = []
    code, said = command.run(preexec_fn=small_files)
    assert code == 2, said
    assert "defect" not in said
    assert "Traceback" not in said
    assert command.output.read_text() == "old"
    assert command.left() == []


def test_an_output_folder_that_goes_away_is_one_message(command):
    process = command.start()
    wait_for(process, "reading")
    shutil.rmtree(command.output.parent)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 2
    assert f"its folder '{command.output.parent}' was removed meanwhile" in said
    assert "Traceback" not in said


def test_an_input_that_changes_while_it_is_read_is_one_message(command, big_log, tmp_path):
    log = shutil.copy(big_log, tmp_path / "orders.parquet")
    command.words[command.words.index(str(big_log))] = str(log)
    command.output.write_text("old")
    process = command.start()
    wait_for(process, "reading")
    # Again and again, because the first time may come before the reading has begun.
    while process.poll() is None:
        os.utime(log)
        time.sleep(0.01)
    said = process.communicate()[1]
    assert process.returncode == 2
    assert f"Error: '{log}' changed while it was read" in said
    assert "Traceback" not in said
    assert command.output.read_text() == "old"
    assert command.left() == []


def test_two_scorings_to_the_same_output_leave_a_whole_one(command, whole):
    both = [command.start() for _ in range(2)]
    codes = [process.wait(timeout=300) for process in both]
    for process in both:
        process.stderr.close()
    assert codes == [0, 0]
    assert command.output.read_bytes() == whole
    assert command.left() == []
