"""A search by Optuna among variants that nobody listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from clvml.errors import InputError
from clvml.evaluation.backtest import MODEL_NAME
from clvml.evaluation.leaderboard import METRICS
from clvml.experiments.choice import earlier_dates, point_board
from clvml.experiments.definition import Definition, Search, Variant, config_key, name_of, short_hash

if TYPE_CHECKING:
    from clvml.experiments.runner import Result


def run_search(
    definition: Definition,
    search: Search,
    fingerprint: str,
    run: Callable[[Variant], Result],
    storage: Path,
    fresh: bool,
) -> list[Result]:
    """Run the trials of a search one after the other: each is proposed from all before it.

    The proposal of a trial depends on its number and the trials before it alone, so that a search that was
    interrupted goes on as if it had not been.
    """
    import optuna

    key = short_hash(
        [
            definition.path.stem,
            config_key(definition.base),
            {k: v if isinstance(v, list) else v.model_dump() for k, v in search.parameters.items()},
            [definition.metric, definition.folds, fingerprint],
        ]
    )
    distributions = {k: _distribution(optuna, given) for k, given in search.parameters.items()}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        store = _search_store(optuna, storage)
        study_name = f"{definition.name} {key}"
        if fresh and study_name in optuna.get_all_study_names(store):
            optuna.delete_study(study_name=study_name, storage=store)
        results: dict[str, Result] = {}
        for number in range(search.trials):
            sampler = optuna.samplers.TPESampler(seed=definition.base.seed * 10_007 + number)
            study = optuna.create_study(
                study_name=study_name, storage=store, sampler=sampler, load_if_exists=True
            )
            trials = study.get_trials(deepcopy=False)
            # A trial that was proposed and interrupted is there already.
            asked = trials[number].params if number < len(trials) else study.ask(distributions).params
            changes = {key: _chosen(search.parameters[key], asked[key]) for key in search.parameters}
            variant = definition.vary(f"trial {number + 1}: {name_of(changes)}", changes)
            same = config_key(variant.config)
            if same not in results:
                results[same] = run(variant)
            told = number < len(trials) and trials[number].state.is_finished()
            if not told:
                value = _objective(results[same], definition.metric)
                state = optuna.trial.TrialState.FAIL if value is None else None
                study.tell(number, value, state=state)
        return list(results.values())
    finally:
        optuna.logging.set_verbosity(verbosity)


def _search_store(optuna: Any, path: Path) -> Any:
    try:
        return optuna.storages.RDBStorage(f"sqlite:///{path.absolute().as_posix()}")
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"the search cannot be kept in '{path}': {reason}; make the file writable, or move it away"
        ) from None


def _distribution(optuna: Any, given: Any) -> Any:
    if isinstance(given, list):
        # Optuna takes no lists as choices.
        return optuna.distributions.CategoricalDistribution([json.dumps(choice) for choice in given])
    if given.int:
        return optuna.distributions.IntDistribution(int(given.low), int(given.high), log=given.log)
    return optuna.distributions.FloatDistribution(given.low, given.high, log=given.log)


def _chosen(given: Any, asked: Any) -> Any:
    if isinstance(given, list):
        return json.loads(asked)
    # Six digits read well, and change no result.
    return asked if given.int else float(f"{asked:.6g}")


def _objective(result: Result, metric: str) -> float | None:
    """Return what a search minimises, over the test dates but the last."""
    if result.predictions is None:
        return None
    folds = point_board(earlier_dates(result.predictions)).folds
    values = folds.loc[(folds["model"] == MODEL_NAME) & (folds["metric"] == metric), "value"].to_numpy()
    return float(-np.mean(METRICS[metric].goodness(values))) if np.isfinite(values).all() else None
