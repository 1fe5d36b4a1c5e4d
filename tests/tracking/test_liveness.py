"""Whether a process that left something behind was killed: only where that is certain, whatever its id."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from clvml.tracking.liveness import is_dead, is_silent, mark


@pytest.fixture
def dead():
    """Return the mark of a process that was killed."""
    code = "from clvml.tracking.liveness import mark; print(mark(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told = process.stdout.readline()
    assert not is_dead(told)
    process.kill()
    process.communicate()
    return told


def test_the_living_are_not_dead():
    assert not is_dead(mark())
    assert not is_silent(mark())


def test_the_killed_are(dead):
    assert is_dead(dead)
    assert not is_silent(dead)


def test_a_zombie_is_dead_although_its_id_is_taken():
    code = "from clvml.tracking.liveness import mark; print(mark(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        told = process.stdout.readline()
        # Nobody has asked for its exit code yet.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(told)


def test_a_later_process_of_the_same_id_is_another():
    told = json.loads(mark())
    assert is_dead(json.dumps(told | {"started": "1"}))


def test_of_another_machine_nothing_is_known(dead):
    assert not is_dead(json.dumps(json.loads(dead) | {"machine": "another"}))


def test_silence_of_a_day_is_told():
    told = json.loads(mark())
    for hours, silent in ((1, False), (23, False), (25, True)):
        at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        assert is_silent(json.dumps(told | {"at": at})) == silent


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[]", "7", '{"machine": 1, "pid": "x", "at": 7}', "x" * 99]
)
def test_nonsense_is_neither(text):
    assert not is_dead(text)
    assert not is_silent(text)


def test_no_name_of_a_machine_is_told():
    import socket

    assert socket.gethostname() not in mark()
