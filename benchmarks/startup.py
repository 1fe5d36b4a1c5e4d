"""How long `clvml --help`, `import clvml` and the first score of a notebook keep people waiting.

    python benchmarks/startup.py             9 turns of every case
    python benchmarks/startup.py --most 3    fails where --help takes more than 3 times as long as a bare import
    python benchmarks/startup.py --score     the first score as well: CDNOW, trained and scored, by the façade and by
                                             the functions that the commands call

The help is held against `import typer`, `import clvml` against `import pandas`. Whole processes are timed; the cases
take turns, so that a busy machine slows all of them alike. Medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BARE = "import typer"
PANDAS = "import pandas"
PYTHON = [sys.executable, "-c"]
CASES = {
    BARE: [*PYTHON, BARE],
    "clvml --help": [sys.executable, "-m", "clvml", "--help"],
    "clvml train --help": [sys.executable, "-m", "clvml", "train", "--help"],
    "clvml score --help": [sys.executable, "-m", "clvml", "score", "--help"],
    PANDAS: [*PYTHON, PANDAS],
    "import clvml": [*PYTHON, "import clvml"],
}
# The same work twice: as a notebook does it, and with what `clvml train` and `clvml score` call, in their environment.
FACADE = """\
import clvml
log = clvml.read_log("data/cdnow.parquet", timezone="America/New_York", currency="USD", duplicates="keep")
clvml.CustomerModel(horizon_days=180).fit(log).score(log)
"""
COMMANDS = """\
import os
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
from datetime import UTC, datetime
from clvml import workflows
from clvml.config import read_config
config = read_config("configs/cdnow.yaml")
prepared = workflows.prepare(config.data, datetime.now(UTC))
fitted = workflows.fit(workflows.days_of(prepared.log), prepared.as_of, config)
workflows.score(prepared, fitted.scorer).frame()
"""
SCORE = {"commands": [*PYTHON, COMMANDS], "façade": [*PYTHON, FACADE]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of every case (default 9)")
    parser.add_argument("--most", type=float, help="largest ratio to the bare import that is accepted")
    parser.add_argument("--score", action="store_true", help="the first score as well")
    arguments = parser.parse_args()
    cases = CASES | (SCORE if arguments.score else {})
    seconds = measure(cases, arguments.turns)
    slow, bare = [], 0.0
    print(f"{'case':<20} {'median':>9} {'fastest':>9} {'ratio':>6}")
    for name, times in seconds.items():
        median = statistics.median(times)
        if name in (BARE, PANDAS, "commands"):
            bare = median
        print(f"{name:<20} {median * 1e3:>6.0f} ms {min(times) * 1e3:>6.0f} ms {median / bare:>6.2f}")
        if arguments.most is not None and "--help" in name and median > arguments.most * bare:
            slow.append(name)
    if slow:
        sys.exit(f"slower than {arguments.most:g} x '{BARE}': {', '.join(slow)}")


def measure(cases: dict[str, list[str]], turns: int) -> dict[str, list[float]]:
    """Return the wall times of each case [s], the first turn (which fills caches) left out."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, command in cases.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
