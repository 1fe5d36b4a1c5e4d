"""A sample of `make fuzz`: models that were altered at random."""

import os
import re
import subprocess
import sys


def test_a_sample_of_altered_models_end_in_one_message_or_in_scores():
    words = [sys.executable, "-m", "tests.scores.fuzzing", "--cases", "3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^36 cases in \d+ s, 0 wrong$", done.stdout, re.MULTILINE)
