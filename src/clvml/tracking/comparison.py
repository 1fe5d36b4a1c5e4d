"""Runs against the champion: the same customers, the same dates, each customer paired with itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import METRICS, build_leaderboard
from clvml.evaluation.versus import Gain, gains
from clvml.tracking.artifacts import CONFIG_FILE
from clvml.tracking.campaign_runs import Campaign, campaigns_of
from clvml.tracking.description import flat_params
from clvml.tracking.past import PastRun, champion_of, experiment_runs, read_mapping, read_predictions
from clvml.tracking.session import Store, experiment_id, open_store

# Two of each kind: how far off the money is, whether the right customers are found, how good the churn risk is.
# Promotion decides on them.
HEADLINE = ("wape", "rmse", "spearman", "gini", "log_loss", "brier")
RESAMPLES = 500
SEED = 0
_KEYS = ["cutoff", "customer_id"]
_OUTCOMES = ["actual_spend", "churned"]


@dataclass(frozen=True)
class ComparedRun:
    """A run, and how it stands against the champion.

    Attributes
    ----------
    obstacle : str
        Why it cannot be held against the champion; empty where it was.
    differences : tuple of Gain
        One per metric; empty for the champion itself and where there is an obstacle.
    settings : dict of str to (str, str)
        Where the configurations differ: ``{key: (the run's, the champion's)}``, empty text for what is not set.
    """

    run: PastRun
    obstacle: str = ""
    differences: tuple[Gain, ...] = ()
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)

    def metrics_with(self, verdict: str) -> list[str]:
        """Return the headline metrics that have a verdict, in their order."""
        found = {difference.metric for difference in self.differences if difference.verdict == verdict}
        return [name for name in HEADLINE if name in found]


@dataclass(frozen=True)
class Comparison:
    """The runs of an experiment, best first.

    Attributes
    ----------
    champion : PastRun or None
        The run behind the champion's version, of this experiment or another.
    runs : tuple of ComparedRun
        Those that can be compared first, by the chosen metric; then the others, by the same.
    left_out : dict of str to int
        Runs without any result, by status.
    metric : str
        By which they are sorted. Where zero is best, the value in the runs' metrics is the mean of the distance
        from zero: too much at one date does not make up for too little at another.
    campaigns : tuple of Campaign
        What was done with the scores of its models, the newest first.
    """

    experiment: str
    champion: PastRun | None
    runs: tuple[ComparedRun, ...]
    left_out: dict[str, int]
    metric: str
    campaigns: tuple[Campaign, ...] = ()


def compare(
    uri: str, experiment: str | None, default_model: str, limit: int, metric: str = "wape"
) -> Comparison:
    """Hold the newest runs of an experiment against the champion.

    Parameters
    ----------
    experiment : str, optional
        The only one there is without it.
    default_model : str
        Registered model whose champion counts where no run names one.
    limit : int
        How many runs to look at, the newest first.
    metric : str
        To sort by; a key of `clvml.evaluation.leaderboard.METRICS`.

    Raises
    ------
    InputError
        There is no such experiment, it has no runs, or the store cannot be used.
    """
    with open_store(uri, must_exist=True) as store:
        experiment, runs = experiment_runs(store, experiment, limit, default_model)
        champion = _champion(store, runs, default_model)
        tested = [run for run in runs if any(name in run.metrics for name in METRICS)]
        kinds = [
            run.status if run.status != "finished" else "without a test" for run in runs if run not in tested
        ]
        compared = held_against(store, champion, tested)
        if METRICS[metric].better == "zero":
            compared = [_sized(store, one, metric) for one in compared]
        campaigns = campaigns_of(store, str(experiment_id(store, experiment, create=False)), limit)
    return Comparison(
        experiment=experiment,
        champion=champion,
        runs=tuple(sorted(compared, key=lambda one: (one.obstacle != "", -_goodness(one.run, metric)))),
        left_out={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        metric=metric,
        campaigns=campaigns,
    )


def config_differences(run: PastRun, champion: PastRun) -> dict[str, tuple[str, str]]:
    """Return ``{key: (the run's, the champion's)}`` where the configurations differ.

    >>> from datetime import datetime
    >>> one = PastRun("1", "", "finished", datetime(2024, 1, 1), {}, {"seed": "0", "model.max_depth": "3"}, {})
    >>> other = PastRun("2", "", "finished", datetime(2024, 1, 1), {}, {"seed": "0", "model.max_depth": "5"}, {})
    >>> config_differences(one, other)
    {'model.max_depth': ('3', '5')}
    """
    keys = [*run.params, *(key for key in champion.params if key not in run.params)]
    pairs = {key: (run.params.get(key, ""), champion.params.get(key, "")) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _champion(store: Store, runs: Sequence[PastRun], default_model: str) -> PastRun | None:
    named = [run.registered_model or run.tags.get("registered_model", "") for run in runs]
    for name in dict.fromkeys([*filter(None, named), default_model]):
        champion = champion_of(store, name)
        if champion is not None:
            return champion
    return None


def held_against(store: Store, champion: PastRun | None, runs: Sequence[PastRun]) -> list[ComparedRun]:
    """Hold runs against the champion, in their order."""
    if champion is None:
        return [ComparedRun(run, "there is no champion to compare with") for run in runs]
    theirs = read_predictions(store, champion)
    obstacles: dict[str, str] = {}
    tested: dict[str, pd.DataFrame] = {}
    for run in runs:
        if run.run_id == champion.run_id:
            continue
        if unlike := _unlike(run, champion):
            obstacles[run.run_id] = unlike
        elif theirs is None:
            obstacles[run.run_id] = (
                f"the champion ({champion.label}) kept no predictions; train its configuration again"
            )
        elif (mine := read_predictions(store, run)) is None:
            obstacles[run.run_id] = "it kept no predictions; train its configuration again"
        elif unlike := _unlike_tests(mine, theirs):
            obstacles[run.run_id] = unlike
        else:
            tested[run.run_id] = mine
    differences = _differences(theirs, tested) if theirs is not None and tested else {}
    compared = []
    for run in runs:
        found = differences.get(run.run_id, ())
        whole = _whole(store, run, found)
        obstacle = obstacles.get(run.run_id, "")
        compared.append(ComparedRun(whole, obstacle, found, config_differences(whole, champion)))
    return compared


def _whole(store: Store, run: PastRun, differences: tuple[Gain, ...]) -> PastRun:
    """Return a variant as if it were a training, with all parameters and the metrics of all dates."""
    config = read_mapping(store, run, CONFIG_FILE) if run.is_variant else None
    if config is None:
        return run
    # A difference in a metric where zero is best is of its sizes.
    means = {one.metric: one.value for one in differences if METRICS[one.metric].better != "zero"}
    return replace(run, params=flat_params(config), metrics=run.metrics | means)


def _sized(store: Store, one: ComparedRun, metric: str) -> ComparedRun:
    """Return a run with the mean size of a metric over its test dates in place of its mean; NaN if not known."""
    size = {difference.metric: difference.value for difference in one.differences}.get(metric)
    if size is None:
        size = _size(read_predictions(store, one.run), metric)
    return replace(one, run=replace(one.run, metrics=one.run.metrics | {metric: size}))


def _size(predictions: pd.DataFrame | None, metric: str) -> float:
    if predictions is None:
        return np.nan
    # One draw: only the values are needed.
    board = build_leaderboard(predictions, [ModelColumns("run", "spend", "p_churn")], "run", 1, SEED)
    values = board.folds.loc[board.folds["metric"] == metric, "value"]
    return float(values.abs().mean())


def _unlike(run: PastRun, champion: PastRun) -> str:
    """Return in words why two runs were not tested on the same, as far as their tags tell."""
    if not run.horizon_days:
        return "it was not made by clvml"
    if run.horizon_days != champion.horizon_days:
        return f"another horizon: {run.horizon_days} days, the champion's is {champion.horizon_days}"
    if run.fingerprint != champion.fingerprint:
        ends = "" if run.as_of == champion.as_of else f", as of {run.as_of} instead of {champion.as_of}"
        return f"other data than the champion's (another fingerprint{ends})"
    return ""


def _unlike_tests(mine: pd.DataFrame, theirs: pd.DataFrame) -> str:
    days, other_days = (sorted({str(day)[:10] for day in frame["cutoff"]}) for frame in (mine, theirs))
    if days != other_days:
        return f"other test dates: {', '.join(days)}; the champion's are {', '.join(other_days)}"
    if not mine[_KEYS].astype(str).equals(theirs[_KEYS].astype(str)):
        return f"other customers: {len(mine):,} predictions, the champion has {len(theirs):,}"
    if not np.allclose(mine[_OUTCOMES].to_numpy(float), theirs[_OUTCOMES].to_numpy(float)):
        return "what happened at the test dates is not the same as in the champion's test"
    return ""


def _differences(theirs: pd.DataFrame, tested: dict[str, pd.DataFrame]) -> dict[str, tuple[Gain, ...]]:
    """Return the metrics of each run against the champion's; all frames hold the same customers and dates."""
    names = ["champion", *tested]
    together = theirs[_KEYS + _OUTCOMES].copy()
    for number, frame in enumerate([theirs, *tested.values()]):
        together[f"spend_{number}"], together[f"churn_{number}"] = frame["spend"], frame["p_churn"]
    models = [ModelColumns(name, f"spend_{number}", f"churn_{number}") for number, name in enumerate(names)]
    board = build_leaderboard(together, models, "champion", RESAMPLES, SEED)
    return {name: tuple(found.values()) for name, found in gains(board).items()}


def _goodness(run: PastRun, metric: str) -> float:
    goodness = METRICS[metric].goodness(run.metrics.get(metric, np.nan))
    return goodness if np.isfinite(goodness) else -np.inf
