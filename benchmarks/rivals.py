"""The packages that are benchmarked beside clvml: what makes each one's predictions, and in which environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from cases import CACHE, ROOT

FOLDER = ROOT / "benchmarks" / "peers"


class Environment(NamedTuple):
    """An environment that `make peers` makes from a file of pinned versions."""

    folder: str
    requirements: str

    @property
    def python(self) -> Path:
        return ROOT / self.folder / "bin" / "python"


PACKAGES = Environment(".venv-peers", "requirements.txt")
AUTOML = Environment(".venv-automl", "requirements-automl.txt")


class Peer(NamedTuple):
    """A rival: the modules of benchmarks/peers that it is made by, and whether it learns from past windows."""

    modules: tuple[str, ...]
    learns: bool = False
    environment: Environment = PACKAGES

    def texts(self) -> list[str]:
        """Return what a prediction depends on beside its data: the modules and the pinned versions."""
        return [
            (FOLDER / name).read_text(encoding="utf-8")
            for name in (*self.modules, self.environment.requirements)
        ]


PARAMETRIC = Peer(("parametric.py",))
BOOSTED = Peer(("boosted.py",), learns=True)
# The slowest last, so that a run that is stopped leaves the most.
PEERS = {
    "lifetimes BG/NBD": PARAMETRIC,
    "lifetimes MBG/NBD": PARAMETRIC,
    "LightGBM": BOOSTED,
    "LightGBM ZILN": Peer(("ziln.py", "boosted.py"), learns=True),
    "CatBoost": BOOSTED,
    "XGBoost": BOOSTED,
    "lifetimes Pareto/NBD": PARAMETRIC,
    "pymc-marketing BG/NBD": PARAMETRIC,
    "pymc-marketing Pareto/NBD": Peer(("pareto.py", "parametric.py")),
    "AutoGluon": Peer(("automl.py", "boosted.py"), learns=True, environment=AUTOML),
}


def commands(jobs: list[dict[str, Any]]) -> list[list[str | Path]]:
    """Write the jobs to the cache, and return the commands that do them, one per environment."""
    found: list[list[str | Path]] = []
    order = [*PEERS]
    for environment in dict.fromkeys(peer.environment for peer in PEERS.values()):
        own = [job for job in jobs if PEERS[job["model"]].environment == environment]
        if own:
            path = CACHE / f"jobs{environment.folder}.json"
            own.sort(key=lambda job: order.index(job["model"]))
            path.write_text(json.dumps(own), encoding="utf-8")
            found.append([environment.python, FOLDER / "run.py", path])
    return found
