"""What `make train` costs against another commit of this repository: the two take turns in one run.

    git worktree add --detach ../before 9f7aec7
    python benchmarks/before.py ../before                        3 turns on Online Retail II
    python benchmarks/before.py ../before --config configs/cdnow.yaml

Each training runs in an empty folder, with an MLflow store of its own, in this environment. The processor's time is the
steadier figure where other programs run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from startup import spent_by

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="work tree of the other commit")
    parser.add_argument("--config", default="configs/online_retail.yaml")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    trees = {"before": arguments.before.resolve(), "now": HERE}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
    for _ in range(arguments.turns):
        for name, tree in trees.items():
            spent[name].append(train(tree, arguments.config))
    middle = {
        name: [statistics.median(values) for values in zip(*of, strict=True)] for name, of in spent.items()
    }
    print(f"{'clvml train':<12} {'seconds':>8} {'ratio':>6} {'processor':>10} {'ratio':>6}")
    for name, (wall, processor) in middle.items():
        first = middle["before"]
        print(
            f"{name:<12} {wall:>8.1f} {wall / first[0]:>6.2f} {processor:>10.1f} {processor / first[1]:>6.2f}"
        )


def train(tree: Path, config: str) -> tuple[float, float]:
    """Return the seconds of the wall clock and of the processor that a training of this work tree takes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(HERE / "data")
        command = [sys.executable, "-m", "clvml", "train", "--config", str(tree / config)]
        paths = {"PYTHONPATH": str(tree / "src"), "OMP_WAIT_POLICY": "PASSIVE"}
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        return spent_by(command, folder, os.environ | paths | store)


if __name__ == "__main__":
    main()
