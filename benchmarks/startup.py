"""How long `clvml --help`, `import clvml` and the first score of a notebook keep people waiting.

    python benchmarks/startup.py             9 turns of every case
    python benchmarks/startup.py --most 3    fails where --help takes more than 3 times as long as a bare import
    python benchmarks/startup.py --score     the first score as well: CDNOW, trained and scored, by the façade and by
                                             the functions that the commands call

The help is held against `import typer`, `import clvml` against `import pandas`. Whole processes are timed; the cases
take turns, so that a busy machine slows all of them alike. Medians are printed; the processor's time is steadier.
"""

from __future__ import annotations

import argparse
import os
import resource
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
from clvml.threads import WAIT
os.environ.update(WAIT)
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
    slow, bare = [], (0.0, 0.0)
    print(f"{'case':<20} {'median':>9} {'ratio':>6} {'processor':>10} {'ratio':>6}")
    for name, times in measure(cases, arguments.turns).items():
        wall, processor = (statistics.median(values) for values in zip(*times, strict=True))
        if name in (BARE, PANDAS, "commands"):
            bare = wall, processor
        ratios = wall / bare[0], processor / bare[1]
        print(
            f"{name:<20} {wall * 1e3:>6.0f} ms {ratios[0]:>6.2f} {processor * 1e3:>7.0f} ms {ratios[1]:>6.2f}"
        )
        if arguments.most is not None and "--help" in name and ratios[0] > arguments.most:
            slow.append(name)
    if slow:
        sys.exit(f"slower than {arguments.most:g} x '{BARE}': {', '.join(slow)}")


def measure(cases: dict[str, list[str]], turns: int) -> dict[str, list[tuple[float, float]]]:
    """Return what each turn of each case took (`spent_by`), the first turn (which fills caches) left out."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, command in cases.items():
            took = spent_by(command)
            if turn:
                spent[name].append(took)
    return spent


def spent_by(
    command: list[str], folder: str | None = None, environment: dict[str, str] | None = None
) -> tuple[float, float]:
    """Return the seconds of the wall clock and of the processor that a command takes."""
    # Compiled modules are kept, as they are where clvml is used.
    environment = {**(environment or os.environ), "PYTHONDONTWRITEBYTECODE": ""}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
