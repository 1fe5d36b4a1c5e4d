"""How long `clvml --help` keeps people waiting, against a bare `import typer`.

    python benchmarks/startup.py             9 turns of every case
    python benchmarks/startup.py --most 3    fails where a ratio is above 3

Whole processes are timed; the cases take turns, so that a busy machine slows all of them alike. Medians are
printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BARE = "import typer"
CASES = {
    BARE: [sys.executable, "-c", "import typer"],
    "clvml --help": [sys.executable, "-m", "clvml", "--help"],
    "clvml train --help": [sys.executable, "-m", "clvml", "train", "--help"],
    "clvml score --help": [sys.executable, "-m", "clvml", "score", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of every case (default 9)")
    parser.add_argument("--most", type=float, help="largest ratio to the bare import that is accepted")
    arguments = parser.parse_args()
    seconds = measure(arguments.turns)
    bare = statistics.median(seconds[BARE])
    slow = []
    print(f"{'case':<20} {'median':>9} {'fastest':>9} {'ratio':>6}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<20} {median * 1e3:>6.0f} ms {min(times) * 1e3:>6.0f} ms {median / bare:>6.2f}")
        if arguments.most is not None and median > arguments.most * bare:
            slow.append(name)
    if slow:
        sys.exit(f"slower than {arguments.most:g} x '{BARE}': {', '.join(slow)}")


def measure(turns: int) -> dict[str, list[float]]:
    """Return the wall times of each case [s], the first turn (which fills caches) left out."""
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(turns + 1):
        for name, command in CASES.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
