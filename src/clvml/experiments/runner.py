"""Runs the variants of an experiment: shared features, several at once, nothing finished repeated."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd

import clvml
from clvml import workflows
from clvml.config import AnyConfig, Config, SubscriptionConfig
from clvml.customers.snapshots import CustomerDays
from clvml.customers.subscription_snapshots import known_at
from clvml.customers.windows import test_cutoffs
from clvml.errors import InputError
from clvml.evaluation.backtest import predict_fold
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.subscription_rules import predict_subscription_fold
from clvml.experiments.choice import Comparison, answer, compare, run_metrics
from clvml.experiments.definition import Definition, Variant, config_key, short_hash
from clvml.experiments.tuning import run_search
from clvml.models.customer_model import fit_customer_model
from clvml.storage.addresses import hide_password
from clvml.tracking.description import XGBOOST, installed_version
from clvml.tracking.record import VariantRecord
from clvml.tracking.variant_runs import ExperimentRuns

Progress = Callable[[str], None]

# What the predictions come from: where none of it has changed, a finished variant is not run again.
# Modules, and folders of them.
_CODE = (
    "customers",
    "log",
    "models",
    "evaluation/backtest",
    "evaluation/baselines",
    "evaluation/folds",
    "evaluation/sbg",
    "evaluation/subscription_rules",
    "threads",
)
_LABELS = ["cutoff", "customer_id", "actual_spend", "churned"]


@dataclass(frozen=True)
class Result:
    """What became of a variant: predictions, or an error.

    Attributes
    ----------
    run_id : str
        Its MLflow run.
    predictions : DataFrame or None
        One row per test date and customer: labels, interval, and columns ``spend/<model>`` and ``churn/<model>``.
    error : str
        Why there are none.
    """

    variant: Variant
    run_id: str
    predictions: pd.DataFrame | None = None
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """A finished experiment.

    Attributes
    ----------
    fingerprint : str
        Of the purchase log.
    as_of : date
        End of what was known; the last test window ends there.
    experiment, run_id : str
        Where it is in MLflow.
    mlflow_page : str
        Address of its runs there, with their metrics.
    run_now : int
        How many variants were run now; the others had been finished before.
    """

    definition: Definition
    comparison: Comparison
    results: tuple[Result, ...]
    fingerprint: str
    as_of: date
    experiment: str
    run_id: str
    mlflow_page: str
    run_now: int

    @property
    def page(self) -> Path:
        """The page of the result, beside the file of the experiment."""
        return self.definition.path.with_suffix(".md")


def run_experiment(
    definition: Definition,
    uri: str,
    now: datetime,
    storage: Path,
    write: Callable[[Outcome], list[Path]],
    fresh: bool = False,
    workers: int | None = None,
    progress: Progress = lambda text: None,
) -> Outcome:
    """Run what is not finished yet, compare, write the result, and log it.

    Parameters
    ----------
    uri : str
        Tracking store.
    now : datetime
        For reading the purchase log.
    storage : Path
        SQLite file of Optuna, for a search.
    write : callable
        Writes the result into files, which are logged.
    fresh : bool
        Run everything again.
    workers : int, optional
        Variants at once; by default half the cores. The results do not depend on it.

    Raises
    ------
    InputError
        The data cannot be read or is too short for two test dates, the store cannot be used, or every variant
        failed.
    """
    bench = _Bench(definition, now, progress)
    base = definition.base
    key = short_hash([bench.fingerprint, code_fingerprint()])
    whole = VariantRecord(definition.name, key, {}, base, bench.fingerprint, bench.quality, bench.as_of)
    runs = ExperimentRuns(uri, whole, definition.question, definition.metric, fresh)
    workers = workers or max(1, (os.cpu_count() or 1) // 2)
    lane = _Lane(bench, runs, workers, progress)
    with runs.closing(lane.running):
        results = lane.run(definition.variants)
        if definition.search is not None:
            results += run_search(
                definition,
                definition.search,
                # Of the same data and code, proposals are the same.
                key,
                lambda variant: lane.run([variant])[0],
                storage,
                fresh,
            )
        done = [result for result in results if result.predictions is not None]
        if not done:
            raise InputError(f"every variant of '{definition.path}' failed; the first: {results[0].error}")
        progress("comparing")
        predictions = {r.variant.name: r.predictions for r in done if r.predictions is not None}
        comparison = compare(
            predictions,
            definition.variants[0].name,
            definition.metric,
            base.evaluation.bootstrap_samples,
            base.seed,
        )
        outcome = Outcome(
            definition,
            comparison,
            tuple(results),
            bench.fingerprint,
            bench.as_of,
            runs.experiment,
            runs.run_id,
            runs.mlflow_page,
            lane.run_now,
        )
        files = write(outcome)
        note = f"{definition.question}\n\n{answer(comparison)}"
        runs.conclude(run_metrics(predictions[comparison.best]), note, files)
    return outcome


@functools.cache
def code_fingerprint() -> str:
    """Return a hash of the code that makes predictions, and of XGBoost's version."""
    home = Path(clvml.__file__).parent
    files = [
        path
        for part in _CODE
        for path in ((home / part).rglob("*.py") if (home / part).is_dir() else [home / f"{part}.py"])
    ]
    digest = hashlib.sha256(installed_version(*XGBOOST).encode())
    for path in sorted(files):
        digest.update(path.relative_to(home).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class _Bench:
    """The data, read once per way of cleaning it, and the test dates; safe in threads."""

    def __init__(self, definition: Definition, now: datetime, progress: Progress) -> None:
        self.definition, self.now, self.progress = definition, now, progress
        self.stop = threading.Event()
        self._lock = threading.Lock()
        # With the first day, and the days of purchases.
        self._read: dict[str, tuple[workflows.Prepared, date, CustomerDays | None]] = {}
        progress(f"reading {hide_password(definition.base.data.source)}")
        prepared = self._prepared(definition.base)
        self.as_of = prepared.as_of
        self.fingerprint = prepared.log.fingerprint
        self.quality = prepared.log.quality.to_dict()
        self._keep(definition.base, prepared)
        found = len(self.cutoffs(definition.base))
        if found < 2:
            windows = definition.base.windows
            raise InputError(
                "an experiment needs two test dates, one of which is only reported;"
                f" '{hide_password(definition.base.data.source)}'"
                f" has {found} for a horizon of {windows.horizon_days} days: set a shorter windows.horizon_days"
                " or give more data"
            )

    def data(self, config: AnyConfig) -> tuple[workflows.Prepared, date, CustomerDays | None]:
        with self._lock:
            key = config.data.model_dump_json()
            if key not in self._read:
                self._keep(config, self._prepared(config, self.as_of))
            return self._read[key]

    def cutoffs(self, config: AnyConfig) -> list[date]:
        _, first, _ = self._read[self.definition.base.data.model_dump_json()]
        # The outcome of a subscriber is known when the grace period has passed.
        grace = config.data.grace_days if isinstance(config, SubscriptionConfig) else 0
        return test_cutoffs(first, self.as_of - timedelta(days=grace), config.windows, self.definition.folds)

    def key(self, variant: Variant) -> str:
        """Return what tells predictions apart: configuration, data, dates, code."""
        return short_hash(
            [
                config_key(variant.config),
                self.fingerprint,
                self.as_of.isoformat(),
                [cutoff.isoformat() for cutoff in self.cutoffs(variant.config)],
                self._is_base(variant),
                code_fingerprint(),
            ]
        )

    def record(self, variant: Variant) -> VariantRecord:
        return VariantRecord(
            variant.name,
            self.key(variant),
            variant.changes,
            variant.config,
            self.fingerprint,
            self.quality,
            self.as_of,
        )

    def predict(self, variant: Variant, threads: int) -> pd.DataFrame:
        """Return the out-of-time predictions of a variant; of the base, those of the baselines as well."""
        config = variant.config
        if not config.model.n_jobs:
            config = config.model_copy(update={"model": config.model.model_copy(update={"n_jobs": threads})})
        prepared, _, days = self.data(config)
        cutoffs = self.cutoffs(config)
        if len(cutoffs) < 2:
            raise InputError(
                f"a horizon of {config.windows.horizon_days} days leaves {len(cutoffs)} test date(s), and two are"
                " needed"
            )
        parts = []
        for cutoff in cutoffs:
            if self.stop.is_set():
                raise InputError("stopped")
            self.progress(f"{variant.name}: testing as of {cutoff}")
            if isinstance(config, Config) and days is not None:
                model = fit_customer_model(days, cutoff, config)
                part, models = predict_fold(days, cutoff, config, model, baselines=self._is_base(variant))
            elif isinstance(config, SubscriptionConfig):
                known = known_at(prepared.log.frame, self.as_of)
                part, models = predict_subscription_fold(known, cutoff, config)
                models = models if self._is_base(variant) else models[:1]
            parts.append(_named(part, models))
        return pd.concat(parts, ignore_index=True)

    def _is_base(self, variant: Variant) -> bool:
        return variant.name == self.definition.variants[0].name

    def _prepared(self, config: AnyConfig, as_of: date | None = None) -> workflows.Prepared:
        if isinstance(config, SubscriptionConfig):
            return workflows.prepare_subscriptions(config.data, self.now, as_of=as_of)
        return workflows.prepare(config.data, self.now, as_of=as_of)

    def _keep(self, config: AnyConfig, prepared: workflows.Prepared) -> None:
        days = workflows.days_of(prepared.log) if isinstance(config, Config) else None
        first = prepared.log.first_day if days is None else days.first_day
        self._read[config.data.model_dump_json()] = prepared, first, days


class _Lane:
    """Takes variants through: found finished, or run in a thread and logged from this one."""

    def __init__(self, bench: _Bench, runs: ExperimentRuns, workers: int, progress: Progress) -> None:
        self.bench, self.runs, self.workers, self.progress = bench, runs, workers, progress
        self.running: dict[str, str] = {}
        self.run_now = 0

    def run(self, variants: Iterable[Variant]) -> list[Result]:
        variants = list(variants)
        done: dict[str, Result] = {}
        waiting = []
        for variant in variants:
            found = self.runs.finished(self.bench.key(variant))
            if found is None:
                waiting.append(variant)
            else:
                done[variant.name] = Result(variant, *found)
        if done:
            self.progress(f"{len(done)} of {len(variants)} variants were finished before")
        at_once = max(1, min(self.workers, len(waiting)))
        threads = max(1, (os.cpu_count() or 1) // at_once)
        with self._pool(at_once) as pool:
            futures: dict[Future[pd.DataFrame], Variant] = {}
            while waiting or futures:
                while waiting and len(futures) < at_once:
                    variant = waiting.pop(0)
                    self.running[variant.name] = self.runs.start(self.bench.record(variant))
                    futures[pool.submit(self.bench.predict, variant, threads)] = variant
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    variant = futures.pop(future)
                    done[variant.name] = self._close(variant, future)
                    self.run_now += 1
                    ended = "failed" if done[variant.name].error else "done"
                    self.progress(f"{variant.name}: {ended}, {len(done)} of {len(variants)}")
        return [done[variant.name] for variant in variants]

    def _close(self, variant: Variant, future: Future[pd.DataFrame]) -> Result:
        run_id = self.running[variant.name]
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        if error is None:
            predictions = future.result()
            self.runs.finish(run_id, run_metrics(predictions), predictions)
            result = Result(variant, run_id, predictions)
        else:
            # Whatever went wrong with one variant, the others are still worth having.
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            self.runs.fail(run_id, text)
            result = Result(variant, run_id, error=text)
        del self.running[variant.name]
        return result

    @contextmanager
    def _pool(self, workers: int) -> Iterator[ThreadPoolExecutor]:
        pool = ThreadPoolExecutor(workers)
        try:
            yield pool
        except BaseException:
            self.progress("stopping; what is finished is kept")
            self.bench.stop.set()
            # A test date in training cannot be broken off, and nobody waits for what it gives: the runs are
            # closed at once, so that they are even where the process is ended.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


def _named(part: pd.DataFrame, models: tuple[ModelColumns, ...]) -> pd.DataFrame:
    """Return the predictions of a fold under the names of the models."""
    names = {m.spend: f"spend/{m.name}" for m in models if m.spend}
    names |= {m.churn: f"churn/{m.name}" for m in models if m.churn}
    return part[[*_LABELS, "low", "high", *names]].rename(columns=names)
