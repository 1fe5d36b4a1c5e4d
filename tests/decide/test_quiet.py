"""What a library writes behind Python's back does not come through, and what Python writes does."""

import os

from clvml.decide.quiet import quiet_stdout


def test_only_what_is_written_meanwhile_is_discarded(capfd):
    print("before")
    with quiet_stdout():
        os.write(1, b"solver\n")
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"
