"""Forecasts of clvml beside simple rules and other packages: same customers, same dates, same metrics.

    python benchmarks/accuracy.py                     everything that is not in benchmarks/.cache yet
    python benchmarks/accuracy.py --only cdnow        groups whose name holds this
    python benchmarks/accuracy.py --peers             rules and clvml alone

Predictions are kept in benchmarks/.cache by what they were made from (code, settings, data), so that a change of
clvml costs only clvml's. Peers run in an environment of their own (make peers) and get and give Parquet files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measures import constant_scores, coverage, interval_score
from rivals import FOLDER, PACKAGES, PEERS, commands

from cases import CACHE, CHURN, EXPORTED, GROUPS, ROOT, SPEND, Group
from clvml import workflows
from clvml.config import Config, read_config
from clvml.customers.snapshots import CustomerDays
from clvml.customers.windows import training_cutoffs
from clvml.errors import InputError
from clvml.evaluation.backtest import predict_fold
from clvml.evaluation.baselines import BASELINES
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import build_leaderboard
from clvml.evaluation.next_order import next_order_errors
from clvml.models.customer_model import fit_customer_model
from clvml.scores.scorer import customer_days

OURS = "clvml"
# Their P(alive), which many users take for P(not churned), stands beside their P(no order in the window).
NOT_ALIVE = "1 - P(alive), "
# Past windows that the plain boosted models are trained on.
PEER_CUTOFFS = 6
SAMPLES = 300
SEED = 0
HISTORY = ["customer_id", "frequency", "recency", "T", "monetary_value"]
INTERVAL = ["low", "high"]
LABELS = ["purchases", "actual_spend", "churned"]
NEXT = ["next_order_days", "usual_days", "actual_next_days"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="groups whose name holds this")
    parser.add_argument(
        "--peers", nargs="*", default=[*PEERS], choices=[*PEERS], help="these of the peers, or none"
    )
    arguments = parser.parse_args()
    groups = [group for group in GROUPS if arguments.only in group.name]
    for result in measure_groups(groups, tuple(arguments.peers)):
        print(summary(result))


def measure_groups(groups: Iterable[Group], peers: tuple[str, ...] = tuple(PEERS)) -> list[dict[str, Any]]:
    """Return what is known of each group of dates, made or from the cache."""
    groups = list(groups)
    if peers:
        export_data()
    logs = {name: Log(name) for name in dict.fromkeys(group.data_set for group in groups)}
    # One after the other: some are given a time, which others must not take from them.
    with ThreadPoolExecutor(max_workers=1) as beside:
        # lifetimes prints the state of a fit that does not converge; its error is kept with the prediction.
        working = [
            beside.submit(subprocess.run, command, stdout=subprocess.DEVNULL)
            for command in commands(peer_jobs(groups, logs, peers))
        ]
        for group in groups:
            for cutoff in group.cutoffs:
                logs[group.data_set].our_prediction(cutoff, group.horizon_days)
    for done in working:
        if code := done.result().returncode:
            sys.exit(f"benchmarks/peers/run.py ended with {code}; its message is above")
    return [measure(group, logs[group.data_set], peers) for group in groups]


def export_data() -> None:
    """Write the data that the peers' packages carry to the cache, unless it is there."""
    for environment in dict.fromkeys(peer.environment for peer in PEERS.values()):
        if not environment.python.exists():
            sys.exit(f"'{environment.python}' does not exist; make it with: make peers")
    if not all((CACHE / f"{name}.parquet").exists() for name in EXPORTED):
        subprocess.run([PACKAGES.python, FOLDER / "export_data.py", CACHE], check=True)


class Log:
    """A purchase log, with the predictions for it."""

    def __init__(self, name: str, source: str | None = None, configuration: str | None = None) -> None:
        self.name = name
        self._config = ROOT / "configs" / f"{configuration or name}.yaml"
        self.prepared = workflows.prepare(self.config(1).data, datetime.now(UTC), source=source)
        self.fingerprint = self.prepared.log.fingerprint
        self.days = customer_days(self.prepared.log)

    def config(self, horizon_days: int, settings: tuple[str, ...] = ()) -> Config:
        return read_config(self._config, [f"windows.horizon_days={horizon_days}", *settings])

    @cache  # noqa: B019 (a log lives as long as the run)
    def test(self, cutoff: date, horizon_days: int) -> pd.DataFrame:
        """Return features and labels of every customer known at the cutoff."""
        return self.days.snapshots([cutoff], horizon_days)

    @cache  # noqa: B019
    def train(self, cutoff: date, horizon_days: int, most: int) -> pd.DataFrame | None:
        """Return the newest training windows that had ended by the cutoff, or None where none had."""
        cutoffs = training_cutoffs(self.days.first_day, cutoff, self.config(horizon_days).windows)[-most:]
        return self.days.snapshots(cutoffs, horizon_days) if cutoffs else None

    def place(self, cutoff: date, horizon_days: int, model: str, *made_from: str) -> Path:
        """Return where a prediction is kept, without the ending."""
        key = digest(*made_from)
        return CACHE / "accuracy" / self.name / f"{cutoff}" / f"{horizon_days}" / f"{slug(model)}-{key}"

    def our_prediction(self, cutoff: date, horizon_days: int, settings: tuple[str, ...] = ()) -> Path:
        """Make the prediction of clvml, unless it is there, and return its place."""
        config = self.config(horizon_days, settings)
        said = config.model_dump_json(exclude={"tracking", "evaluation", "value"})
        place = self.place(cutoff, horizon_days, OURS, our_code(), self.fingerprint, said)
        if not place.with_suffix(".json").exists():
            what = " ".join([f"{self.name} {cutoff} {horizon_days} days", *settings])
            print(f"{OURS:<28} {what}", file=sys.stderr, flush=True)
            keep(place, *predict_ours(self.days, cutoff, config))
        return place

    @cache  # noqa: B019
    def peer_files(self, cutoff: date, horizon_days: int | None) -> dict[str, Path]:
        """Write what peers are given and return the files: at a horizon, or what none needs."""
        folder = CACHE / "accuracy" / self.name / f"{cutoff}"
        if horizon_days is None:
            history = self.test(cutoff, 1)[HISTORY].fillna({"monetary_value": 0.0})
            return {"history": written(history, folder)}
        train = self.train(cutoff, horizon_days, PEER_CUTOFFS)
        labels = [name for name in LABELS if name in self.test(cutoff, horizon_days)]
        test = self.test(cutoff, horizon_days).drop(columns=labels)
        files = {"test": written(test, folder / f"{horizon_days}")}
        if train is not None:
            files["train"] = written(train, folder / f"{horizon_days}")
        return files


def predict_ours(days: CustomerDays, cutoff: date, config: Config) -> tuple[pd.DataFrame | str, str, float]:
    """Return our prediction (or why there is none), notes, and seconds."""
    started = time.perf_counter()
    try:
        model = fit_customer_model(days, cutoff, config)
    except InputError as error:
        return str(error), "", time.perf_counter() - started
    frame, _ = predict_fold(days, cutoff, config, model, baselines=False)
    frame = frame.rename(columns={"spend_0": "spend", "churn_0": "churn"})
    frame = frame[["customer_id", "spend", "churn", *INTERVAL, *NEXT]]
    return frame, "; ".join(model.notes), time.perf_counter() - started


def peer_jobs(groups: list[Group], logs: dict[str, Log], peers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the predictions of the peers that are not in the cache: one job per model and cutoff."""
    jobs: dict[tuple[str, str, date], dict[str, Any]] = {}
    for group in groups:
        for cutoff in group.cutoffs:
            for model in peers:
                log = logs[group.data_set]
                place, files = peer_prediction(log, cutoff, group.horizon_days, model)
                if place.with_suffix(".json").exists():
                    continue
                if PEERS[model].learns and "train" not in files:
                    keep(place, "no window of this horizon had ended by then: nothing to train on", "", 0.0)
                    continue
                job = jobs.setdefault(
                    (model, log.name, cutoff),
                    {"model": model, "case": f"{log.name} {cutoff}", "horizons": []},
                )
                job |= {"history": str(log.peer_files(cutoff, None)["history"])}
                job["horizons"].append(
                    {
                        "days": group.horizon_days,
                        "output": str(place.with_suffix(".parquet")),
                        **{name: str(path) for name, path in files.items() if name != "history"},
                    }
                )
    return [*jobs.values()]


def peer_prediction(log: Log, cutoff: date, horizon_days: int, model: str) -> tuple[Path, dict[str, Path]]:
    """Return where the prediction of a peer is kept, and the files that it is made from."""
    files = log.peer_files(cutoff, horizon_days if PEERS[model].learns else None)
    names = [path.name for path in files.values()]
    return log.place(cutoff, horizon_days, model, digest(*PEERS[model].texts()), *names), files


def measure(group: Group, log: Log, peers: tuple[str, ...]) -> dict[str, Any]:
    """Return the leaderboard of a group as a dictionary, with coverage, failures and settings."""
    predictions, models, about = collect(group, log, peers)
    key = digest(
        frame_digest(predictions), *(f"{model}" for model in models), evaluation_code(), f"{SAMPLES}"
    )
    path = CACHE / "results" / f"{slug(group.name)}-{key}.json"
    if path.exists():
        board = json.loads(path.read_text(encoding="utf-8"))
    else:
        print(f"comparing {group.name}", file=sys.stderr, flush=True)
        names = [model.name for model in models]
        champion = OURS if OURS in names else names[0]
        board = build_leaderboard(predictions, models, champion, SAMPLES, SEED).to_dict()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(board), encoding="utf-8")
    with_intervals = [
        model.name
        for model in models
        if f"{model.name} low" in predictions and not predictions[f"{model.name} low"].isna().any()
    ]
    ours = OURS in with_intervals
    return {
        "group": group._asdict(),
        "name": group.name,
        "board": board,
        "coverage": coverage(predictions, OURS) if ours else {},
        "interval_scores": {name: interval_score(predictions, name) for name in with_intervals},
        "next_order": next_order_errors(predictions)._asdict() if ours else {},
        "constant": constant_scores(predictions),
        "customers": len(predictions) / len(group.cutoffs),
        "churn_rate": float(predictions["churned"].mean()),
        **about,
    }


def collect(
    group: Group, log: Log, peers: tuple[str, ...]
) -> tuple[pd.DataFrame, list[ModelColumns], dict[str, Any]]:
    """Return the predictions of every model that has one at all dates of a group, and what the others said."""
    parts, failures, settings = [], {}, {}
    for cutoff in group.cutoffs:
        test = log.test(cutoff, group.horizon_days)
        part = test[["cutoff", "customer_id", "actual_spend", "churned", "purchase_days"]].copy()
        places = {OURS: log.our_prediction(cutoff, group.horizon_days)}
        places |= {name: peer_prediction(log, cutoff, group.horizon_days, name)[0] for name in peers}
        for name, place in places.items():
            said = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            if said["error"]:
                failures.setdefault(name, {})[f"{cutoff}"] = said["error"]
                continue
            settings.setdefault(name, {})[f"{cutoff}"] = said["settings"]
            frame = pd.read_parquet(place.with_suffix(".parquet")).set_index("customer_id")
            frame = frame.reindex(part["customer_id"])
            for column in ("spend", "churn", *(end for end in INTERVAL if end in frame)):
                part[f"{name} {column}"] = frame[column].to_numpy()
            if name == OURS:
                part[NEXT] = frame[NEXT].to_numpy()
            if "not_alive" in frame:
                part[f"{NOT_ALIVE}{name} churn"] = frame["not_alive"].to_numpy()
        for name, (spend, churn) in rules(group, log, cutoff, failures).items():
            if spend is not None:
                part[f"{name} spend"] = spend
            if churn is not None:
                part[f"{name} churn"] = churn
        parts.append(part)
    predictions = pd.concat(parts, ignore_index=True)
    names = [OURS, *peers, *(NOT_ALIVE + peer for peer in peers), *BASELINES]
    models = []
    for name in names:
        if name.removeprefix(NOT_ALIVE) in failures:
            continue
        columns = {
            kind: f"{name} {kind}" if f"{name} {kind}" in predictions else None for kind in ("spend", "churn")
        }
        if any(columns.values()):
            models.append(ModelColumns(name, **columns))
    return predictions, models, {"failures": failures, "settings": settings}


def rules(
    group: Group, log: Log, cutoff: date, failures: dict[str, dict[str, str]]
) -> dict[str, tuple[np.ndarray | None, np.ndarray | None]]:
    """Return what the simple rules predict; a rule that needs a past window and has none has failed."""
    test = log.test(cutoff, group.horizon_days)
    train = log.train(cutoff, group.horizon_days, 1)
    history_days = (cutoff - log.days.first_day).days
    made = {}
    for name, rule in BASELINES.items():
        # Rules that learn nothing take any frame; the others miss the labels in this one.
        learnt = test.drop(columns=LABELS) if train is None else train
        try:
            made[name] = rule(learnt, test, group.horizon_days, history_days)
        except ValueError:
            failures.setdefault(name, {})[f"{cutoff}"] = "no window of this horizon had ended by then"
    return made


def best_others(result: dict[str, Any], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Return the comparison with the best of the others in each metric; none where we have no forecast."""
    if result["board"]["champion"] != OURS:
        return []
    found = []
    for metric in metrics:
        rows = [
            row for row in result["board"]["versus"] if row["metric"] == metric and row["low"] is not None
        ]
        if rows:
            found.append(min(rows, key=lambda row: row["difference"]))
    return found


def summary(result: dict[str, Any]) -> str:
    """Return a group in a few lines, to follow a run."""
    lines = [f"{result['name']}: {result['customers']:,.0f} customers, {result['churn_rate']:.0%} churn"]
    for row in best_others(result, (*SPEND, *CHURN)):
        lines.append(
            f"  {row['metric']:<28} {row['champion_value']:>10.4f} {row['opponent_value']:>10.4f}"
            f"  {row['verdict']:<20} {row['opponent']}"
        )
    lines += [
        f"  failed: {name}: {'; '.join(errors.values())}" for name, errors in result["failures"].items()
    ]
    if result["coverage"]:
        lines.append("  coverage: " + ", ".join(f"{k} {v:.1%}" for k, v in result["coverage"].items()))
    return "\n".join(lines)


def keep(place: Path, prediction: pd.DataFrame | str, settings: str, seconds: float) -> None:
    """Write a prediction (or an error), then what is known of it: whoever finds the second finds the first."""
    place.parent.mkdir(parents=True, exist_ok=True)
    error = prediction if isinstance(prediction, str) else ""
    if not isinstance(prediction, str):
        prediction.to_parquet(place.with_suffix(".parquet"), index=False)
    about = {"error": error, "settings": settings, "seconds": round(seconds, 2)}
    place.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")


def written(frame: pd.DataFrame, folder: Path) -> Path:
    """Write a frame under a name that says what is in it, unless it is there."""
    path = folder / f"frame-{frame_digest(frame)}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            frame.to_parquet(path.with_suffix(".tmp"), index=False)
            path.with_suffix(".tmp").replace(path)
    return path


def frame_digest(frame: pd.DataFrame) -> str:
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(rows.tobytes() + ",".join(map(str, frame.columns)).encode()).hexdigest()[:16]


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def our_code() -> str:
    """Return a digest of the modules that a forecast depends on."""
    source = ROOT / "src" / "clvml"
    modules = [source / "scores" / "scorer.py"]
    for folder in ("config", "customers", "log", "models", "storage"):
        modules += sorted((source / folder).rglob("*.py"))
    libraries = [version(name) for name in ("xgboost", "scikit-learn", "scipy", "numpy")]
    return digest(*(module.read_text(encoding="utf-8") for module in modules), *libraries)


@cache
def evaluation_code() -> str:
    source = ROOT / "src" / "clvml" / "evaluation"
    return digest(
        *(
            (source / name).read_text(encoding="utf-8")
            for name in ("leaderboard.py", "metrics.py", "resampling.py")
        )
    )


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


if __name__ == "__main__":
    main()
