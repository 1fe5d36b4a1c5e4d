"""Models that were altered at random, loaded and used in child processes with limits.

    python -m tests.scores.fuzzing --cases 500

makes a small model (or takes the folder that --model names) and alters ``model.json`` and each tree file so often: as
they lie, which a digest must notice; and with the digests written anew, as somebody would who means harm. Every case
must end in one message or in scores: a file that lies as it was altered gives the scores of before or none, and one
whose digests were written anew gives numbers that can be. No case may end in another error, by a signal, or beyond its
limits of time and memory.

The process that forks does no work of its own, so that a child costs no more than what it does.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

# OpenMP's threads do not come along into a child.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from clvml.customers import FEATURES
from clvml.errors import InputError
from clvml.models.model_file import MODEL_FILE, digest_of
from clvml.scores.scorer import Scorer

SECONDS = 20
MEMORY = 2 << 30
AS_OF = date(2024, 7, 1)
ODD = (
    None,
    True,
    "",
    "x" * 10_000,
    [],
    {},
    -1,
    0,
    1,
    2**31,
    2**64,
    -(2**40),
    10**400,
    0.5,
    -0.0,
    1e-320,
    1e300,
    1e39,
    "NaN",
)


class Ending(NamedTuple):
    """How a case ended: "refused", "scored", "fault" (another error), "signal" or "late"; and what was said."""

    kind: str
    said: str


class Case(NamedTuple):
    name: str
    sealed: bool
    alter: Callable[[Path, random.Random], str]


def features() -> pd.DataFrame:
    """Return a feature table of a few customers, one without a purchase, with what may be missing missing."""
    draw = np.random.default_rng(0)
    rows = 12
    table = {feature.name: draw.uniform(0, 50, rows).round() for feature in FEATURES}
    age = draw.integers(50, 500, rows)
    bought = draw.integers(1, 6, rows)
    bought[-1] = 0
    frequency = np.maximum(bought - 1, 0)
    recency = np.where(frequency > 0, (age * draw.random(rows)).astype(int) + 1, 0)
    table |= {
        "purchase_days": bought, "frequency": frequency, "recency": np.minimum(recency, age), "T": age,
        "monetary_value": np.where(frequency > 0, draw.uniform(5, 50, rows), 0.0),
        "days_since_last_order": age - np.minimum(recency, age),
    }  # fmt: skip
    frame = pd.DataFrame(table).astype(float)
    frame.loc[:2, "gap_current_ratio"] = np.nan
    frame.insert(0, "customer_id", [f"C{row}" for row in range(rows)])
    return frame


def scored(folder: Path, table: pd.DataFrame) -> str:
    """Return a digest of the scores of a model; raises where they are not scores."""
    found = Scorer.load(folder).rows(table, AS_OF)
    spend = found[["expected_spend_low", "expected_spend", "expected_spend_high"]].to_numpy()
    if not found["p_churn"].between(0, 1).all() or not np.isfinite(spend).all() or found["clv"].isna().any():
        raise AssertionError("scores that cannot be")
    if (np.diff(spend, axis=1) < 0).any():
        raise AssertionError("an interval without its expectation")
    return hashlib.sha256(found.to_csv(index=False).encode()).hexdigest()


def in_child(work: Callable[[], str], limited: bool = True) -> Ending:
    """Return how a piece of work ends in a process of its own, within limits or without."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        if limited:
            _set_limits()
        _work(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        late = number in (signal.SIGALRM, signal.SIGXCPU)
        return Ending("late" if late else "signal", signal.Signals(number).name)
    return pickle.loads(told) if told else Ending("fault", f"exit code {os.WEXITSTATUS(status)}, no word")


def _set_limits() -> None:
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(work: Callable[[], str], writer: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        ending = Ending("scored", work())
    except InputError as error:
        ending = Ending("refused", str(error))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        ending = Ending("fault", f"{type(error).__name__}: {str(error)[:300]}")
    os.write(writer, pickle.dumps(ending)[:60_000])
    os._exit(0)


def alter_bytes(path: Path, draw: random.Random) -> str:
    """Change, remove, repeat or cut bytes of a file."""
    whole = bytearray(path.read_bytes())
    place = draw.randrange(len(whole))
    kind = draw.choice(("flip", "digit", "cut", "remove", "repeat", "insert", "empty", "swap"))
    if kind == "flip":
        whole[place] ^= 1 << draw.randrange(8)
    elif kind == "digit":
        digits = [at for at, sign in enumerate(whole) if 48 <= sign <= 57]
        place = draw.choice(digits)
        whole[place] = 48 + (whole[place] - 48 + draw.randrange(1, 10)) % 10
    elif kind == "cut":
        del whole[place:]
    elif kind == "remove":
        del whole[place : place + draw.randrange(1, 50)]
    elif kind == "repeat":
        whole[place:place] = whole[place : place + draw.randrange(1, 500)]
    elif kind == "insert":
        whole[place:place] = draw.choice(
            (b"\0", b"{", b"[" * 5000, b"NaN", b"1e999", b"-", b'"', b"\xff\xfe", b"null")
        )
    elif kind == "empty":
        whole.clear()
    else:
        others = [other for other in path.parent.glob("*.json") if other != path]
        whole[:] = draw.choice(others).read_bytes()
    path.write_bytes(whole)
    return kind


def alter_value(path: Path, draw: random.Random) -> str:
    """Change, remove or move a value somewhere in a JSON file."""
    whole = json.loads(path.read_text())
    places = list(_places(whole))
    # Numbers are many and names are few: first which kind of place.
    kinds = sorted({kind for kind, *_ in places})
    kind = draw.choice(kinds)
    _, holder, key = draw.choice([place for place in places if place[0] == kind])
    act = draw.choice(("odd", "odd", "near", "remove", "swap", "repeat"))
    if act == "remove":
        del holder[key]
    elif act == "swap":
        _, other, other_key = draw.choice(places)
        holder[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(holder[key])
    elif act == "repeat" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif act == "near" and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = holder[key] + draw.choice((1, -1, 0.5, 1e6, -1e6))
    else:
        holder[key] = draw.choice(ODD)
    path.write_text(json.dumps(whole))
    return f"{act} {kind}"


def _places(value: Any, name: str = "") -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        kind = key if isinstance(key, str) else name
        yield kind, value, key
        yield from _places(item, kind)


def reseal(folder: Path) -> None:
    """Write the digests of an altered model anew."""
    path = folder / MODEL_FILE
    try:
        state = json.loads(path.read_text())
        for name in state["files"]:
            if (folder / name).is_file():
                state["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        state["digest"] = digest_of(state)
        path.write_text(json.dumps(state))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return


def fuzz(model: Path, cases: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Alter each file of a model so often, and return how the cases ended and what went wrong."""
    table = features()
    before = in_child(lambda: scored(model, table))
    if before.kind != "scored":
        raise SystemExit(f"the model itself: {before}")
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    files = sorted(path.name for path in model.glob("*.json"))
    with tempfile.TemporaryDirectory(prefix="clvml-fuzz-") as name:
        folder = Path(name) / "model"
        for number in range(cases):
            for file in files:
                for sealed in (False, True):
                    shutil.rmtree(folder, ignore_errors=True)
                    shutil.copytree(model, folder)
                    draw = random.Random(f"{seed} {number} {file} {sealed}")
                    alter = (
                        draw.choice((alter_bytes, alter_value))
                        if not sealed
                        else draw.choice((alter_value,) * 3 + (alter_bytes,))
                    )
                    act = alter(folder / file, draw)
                    if sealed:
                        reseal(folder)
                    ending = in_child(lambda: scored(folder, table))
                    counts[f"{file} {'resealed' if sealed else 'as altered'}: {ending.kind}"] += 1
                    problem = _problem(ending, before, sealed)
                    if problem:
                        wrong.append(f"case {number} of {file}, {act}{', resealed' * sealed}: {problem}")
    return counts, wrong


def _problem(ending: Ending, before: Ending, sealed: bool) -> str:
    if ending.kind not in ("refused", "scored"):
        return f"{ending.kind} {ending.said}"
    if ending.kind == "refused" and ("\n" in ending.said or len(ending.said) > 1000):
        return f"a message that is too long: {ending.said[:200]}"
    if ending.kind == "scored" and not sealed and ending.said != before.said:
        return "other scores without a word"
    return ""


def make_model(folder: Path) -> str:
    """Train a small model in an empty folder: all kinds of files, and none too large to be altered often."""
    import duckdb
    from tests.conftest import shop_lines

    from clvml.config import parse_config
    from clvml.customers.snapshots import OPTIONAL_COLUMNS, CustomerDays
    from clvml.explain.of_customers import fit_reference
    from clvml.models.customer_model import fit_customer_model
    from clvml.scores.tiers import tier_thresholds

    names = {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"}
    raw = {"data": {"source": "orders.csv", "columns": names}, "windows": {"horizon_days": 60}}
    config = parse_config({**raw, "model": {"n_estimators": 10, "n_jobs": 1}})
    with duckdb.connect() as connection:
        lines = shop_lines().rename(columns={"order_date": "order_day"})
        connection.register("lines", lines[[name for name in lines if name != "product_id"]])
        connection.execute(
            "create table log as select * replace (cast(order_day as date) as order_day) from lines"
        )
        days = CustomerDays(connection, "log", [name for name in OPTIONAL_COLUMNS if name == "order_id"])
        model = fit_customer_model(days, AS_OF, config)
        now = days.features(AS_OF, 60)
    now = now[now["purchase_days"] > 0]
    predicted = model.predict(now, AS_OF)
    reference = fit_reference(model, now, AS_OF, seed=0)
    tiers = tier_thresholds(predicted["clv"].to_numpy())
    Scorer(model.with_tiers(tiers, {"big_spend_365d": 90.0}), reference).save(folder)
    return "made"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="Folder of a model; without it, a small one is made.")
    parser.add_argument("--cases", type=int, default=500, help="Per file, as altered and resealed.")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clvml-fuzz-") as name:
        made = Path(name)
        if (
            asked.model is None
            and (ending := in_child(lambda: make_model(made), limited=False)).kind != "scored"
        ):
            raise SystemExit(f"no model could be made: {ending}")
        counts, wrong = fuzz(asked.model or made, asked.cases, asked.seed)
    for name, number in sorted(counts.items()):
        print(f"{number:6,} {name}")
    print(f"{sum(counts.values()):,} cases in {time.monotonic() - started:.0f} s, {len(wrong)} wrong")
    print("\n".join(wrong[:50]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
