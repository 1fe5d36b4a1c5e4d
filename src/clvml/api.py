"""The façade: what a notebook needs, from a purchase log to a scored frame.

Nothing is written and no tracking server is asked unless a call says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from clvml.threads import passive_threads

with passive_threads():
    import pandas as pd
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError

    from clvml import workflows
    from clvml.config import Config, DataConfig, ValueConfig, parse_config, parse_keys
    from clvml.decide.plan import Plan
    from clvml.decide.playbook import Playbook
    from clvml.errors import InputError
    from clvml.evaluation.backtest import Backtest, run_backtest
    from clvml.log.subscriptions import SubscriptionLog
    from clvml.opened_log import Log, Source, checked_source, day_of, is_count, open_log, read_log
    from clvml.outcomes.readback import Readback
    from clvml.scores.batches import score_in_batches
    from clvml.scores.scorer import Scorer

__all__ = ["CustomerModel", "Log", "NotFitted", "load", "plan", "read_log", "readback"]

# The sections of a configuration that a model takes as they are.
_SECTIONS = ("windows", "model", "value", "evaluation")


class NotFitted(InputError, NotFittedError):
    """A model was asked before it was fitted."""


class CustomerModel(BaseEstimator):
    """Predicts for every customer whether they will buy again, how much they will spend, and what they are worth.

    Parameters
    ----------
    horizon_days : int
        Days of future to predict.
    windows, model, value, evaluation : mapping, optional
        Keys of these sections of a configuration, such as ``value={"margin": 0.4}``; docs/configuration.md lists them.
    seed : int
        Seed of everything random.

    Attributes
    ----------
    scorer_ : Scorer
        The fitted model with its explanation.
    as_of_ : date
        Nothing dated at or after it was used.
    notes_ : list of str
        What was done because the log is short or unusual, in words.

    Examples
    --------
    >>> CustomerModel(horizon_days=90, value={"margin": 0.4})
    CustomerModel(horizon_days=90, value={'margin': 0.4})
    """

    def __init__(
        self,
        horizon_days: int = workflows.ASSUMED_HORIZON_DAYS,
        *,
        windows: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        value: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.horizon_days = horizon_days
        self.windows = windows
        self.model = model
        self.value = value
        self.evaluation = evaluation
        self.seed = seed

    def fit(self, log: Log | Source, as_of: date | str | None = None) -> Self:
        """Train on everything before ``as_of``; by default on all that the log uses.

        Raises
        ------
        InputError
            A parameter is of no use, the log cannot be read, or nobody bought anything.
        """
        read = log if isinstance(log, Log) else read_log(log)
        until = day_of(as_of) or read.as_of
        config = self._config(read.data)
        fitted = workflows.fit(read.days, until, config, margins=read.prepared.margins(config.value, until))
        self.scorer_ = fitted.scorer
        self.as_of_ = until
        self.notes_ = [*filter(None, [read.prepared.note]), *fitted.scorer.model.notes]
        return self

    def score(
        self,
        log: Log | Source,
        as_of: date | str | None = None,
        explain: Literal["all", "none"] | int = "all",
        value_reasons: bool = False,
    ) -> pd.DataFrame:
        """Score every customer: one row per customer, best value first, as `clvml score` writes them.

        What to know about the scores, such as the age of the model, is in ``attrs["notes"]`` of the frame, the
        currency of their money in ``attrs["currency"]``.

        Parameters
        ----------
        log : Log or what `read_log` takes
            What is not read yet is read as the training data was.
        as_of : date or str, optional
            The first day not used.
        explain : "all", "none" or int
            Whose reasons to give; a number: of so many customers with most value at risk.
        value_reasons : bool
            Also say why the expected spend is high or low, in columns ``value_reason_1`` ... at the end.

        Raises
        ------
        NotFitted
            The model was not fitted.
        InputError
            The log cannot be read, lacks columns of the training data, or has no line before ``as_of``.
        """
        scorer, read = self._fitted(), self._read(log)
        scorer = scorer.with_value_reasons() if value_reasons else scorer
        if explain not in ("all", "none") and (isinstance(explain, bool) or not is_count(explain)):
            raise InputError(f"explain={explain!r} is not 'all', 'none' or a number of customers")
        until = day_of(as_of) or read.as_of
        margins = read.prepared.margins(scorer.model.config.value, until)
        with read.days.lock:
            scored = score_in_batches(scorer, read.days, until, explain, margins=margins).frame()
        prepared = replace(read.prepared, as_of=until, note=read.prepared.note if as_of is None else "")
        scored.attrs["currency"] = read.data.currency
        scored.attrs["notes"] = [
            *workflows.scoring_notes(prepared, scorer, scorer.model.config),
            *workflows.unlike_training(scored, scorer),
        ]
        return scored

    def backtest(
        self, log: Log | Source, folds: int | None = None, as_of: date | str | None = None
    ) -> Backtest:
        """Train and test at several past dates, against the rules that a model has to beat.

        The model itself need not be fitted and stays as it is.

        Raises
        ------
        InputError
            A parameter is of no use, or the log cannot be read or is too short.
        """
        read = log if isinstance(log, Log) else read_log(log)
        if folds is not None and not (is_count(folds) and folds):
            raise InputError(f"folds={folds!r} is not a number of test dates; give 1 or more")
        return run_backtest(read.days, day_of(as_of) or read.as_of, self._config(read.data), folds)

    def drivers(self, log: Log | Source, as_of: date | str | None = None) -> pd.DataFrame:
        """Return what moves the churn risk of the customers of a log: one row per feature, strongest first.

        Columns ``feature, description, unit, mean_abs_shap`` [log-odds] ``, direction``.

        Raises
        ------
        NotFitted
            The model was not fitted.
        """
        scorer, read = self._fitted(), self._read(log)
        date_of = day_of(as_of) or read.as_of
        days = read.days.counting(scorer.model.trees.events)
        features = days.features(date_of, scorer.model.horizon_days)
        return workflows.explain(scorer, features, date_of).drivers()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model into a folder, which `load` and ``clvml score --model`` read: JSON and XGBoost's UBJ only.

        Raises
        ------
        InputError
            The folder holds other things, or cannot be written.
        """
        scorer, path = self._fitted(), Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()) and not (path / "model.json").exists():
                raise InputError(f"folder '{path}' holds other files and no model; give a new folder")
            scorer.save(path)
        except OSError as error:
            raise InputError(f"folder '{path}' cannot be written: {error.strerror}") from None
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` or a training wrote; runs no code that came with it.

        Raises
        ------
        InputError
            The folder holds no model of clvml.
        """
        return cls._of(Scorer.load(Path(folder)))

    @classmethod
    def _of(cls, scorer: Scorer) -> Self:
        config = scorer.model.config
        defaults = Config(data=config.data, windows={"horizon_days": config.windows.horizon_days})
        set_here: dict[str, dict[str, Any] | None] = {}
        for name in _SECTIONS:
            usual = getattr(defaults, name).model_dump()
            own = getattr(config, name).model_dump()
            set_here[name] = {key: value for key, value in own.items() if value != usual[key]} or None
        loaded = cls(config.windows.horizon_days, seed=config.seed, **set_here)
        loaded.scorer_ = scorer
        loaded.as_of_ = scorer.model.as_of
        loaded.notes_ = list(scorer.model.notes)
        return loaded

    def _config(self, data: DataConfig) -> Config:
        sections: dict[str, dict[str, Any]] = {}
        for name in _SECTIONS:
            keys = getattr(self, name)
            if not isinstance(keys, Mapping | None):
                raise InputError(
                    f"{name}={keys!r} is not a mapping of keys of section {name} of a configuration"
                )
            sections[name] = dict(keys or {})
        if "horizon_days" in sections["windows"]:
            raise InputError(
                "windows={'horizon_days': ...} says twice what horizon_days is; give the argument alone"
            )
        sections["windows"] = {"horizon_days": self.horizon_days, **sections["windows"]}
        kept = data.without_passwords().model_dump()
        return parse_config({"data": kept, **sections, "seed": self.seed}, type(self).__name__)

    def _fitted(self) -> Scorer:
        if not self.__sklearn_is_fitted__():
            raise NotFitted(
                f"this {type(self).__name__} is not fitted yet; call fit(log) first, or load a model"
            )
        return self.scorer_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scorer_")

    def _read(self, log: Log | Source) -> Log:
        if isinstance(log, Log):
            return log
        return open_log(checked_source(log), self.scorer_.model.config.data)


def load(reference: str | os.PathLike[str], tracking_uri: str | None = None) -> CustomerModel:
    """Return a saved or registered model, ready to score.

    Parameters
    ----------
    reference : str or path
        A folder, or what MLflow knows: ``models:/shop@champion``, ``models:/shop/3``, ``runs:/...``, a run id.
    tracking_uri : str, optional
        Where MLflow keeps its runs; what MLflow itself is set to where it is not given.

    Raises
    ------
    InputError
        The reference means nothing, or not a model of clvml.
    """
    if Path(reference).is_dir():
        return CustomerModel.load(reference)
    if not isinstance(reference, str):
        raise InputError(f"'{reference}' is not a folder; give the folder of a model, or models:/NAME@ALIAS")
    from clvml.tracking.registry import resolve_model
    from clvml.tracking.session import current_tracking_uri

    found = resolve_model(reference, "clvml", tracking_uri or current_tracking_uri())
    return CustomerModel._of(Scorer.load(found.directory, found.version, found.run_id))


def plan(
    scores: pd.DataFrame | str | os.PathLike[str],
    playbook: Playbook | Mapping[str, Any] | str | os.PathLike[str],
    *,
    budget: float | None = None,
) -> Plan:
    """Decide which customer gets which action, to bring most profit within a budget.

    Parameters
    ----------
    scores : DataFrame or path
        What `CustomerModel.score` returned or `clvml score` wrote.
    playbook : Playbook, mapping or path
        What can be done: a YAML file like ``configs/playbook.yaml``, or its keys.
    budget : float, optional
        Expected cost at most [currency]; without one: as much as pays.

    Returns
    -------
    Plan
        It prints what it comes to; ``table`` has a row per customer, ``actions`` one per action, ``curve`` the profit
        over the budget.

    Raises
    ------
    InputError
        Scores, playbook or a file that it names are at fault.
    """
    table = scores if isinstance(scores, pd.DataFrame) else Path(scores)
    book = playbook if isinstance(playbook, Mapping | Playbook) else Path(playbook)
    return workflows.plan(table, book, budget)


def readback(
    plan: Plan | str | os.PathLike[str],
    log: Log | SubscriptionLog | Source,
    *,
    margin: float = ValueConfig().margin,
    value: Mapping[str, Any] | None = None,
    as_of: date | str | None = None,
    grace_days: int = 0,
    contacted: pd.DataFrame | str | os.PathLike[str] | None = None,
    redeemed: pd.DataFrame | str | os.PathLike[str] | None = None,
    discounted: bool = False,
    beside: Sequence[Plan | str | os.PathLike[str]] = (),
    playbook: Playbook | str | os.PathLike[str] | None = None,
) -> Readback:
    """Return what the campaign of a plan did, held against its control group.

    Parameters
    ----------
    plan : Plan, str or path
        A plan, or the file that `clvml plan` wrote.
    log : Log, SubscriptionLog or what `read_log` takes
        The log that the scores were made from, continued to the end of the plan's window; of subscribers what
        `clvml.log.subscriptions.read_subscriptions` returned.
    margin : float
        Share of net money that is earned.
    value : mapping, optional
        Keys of section ``value`` where customers differ in it, such as ``{"cost": "unit_cost * quantity"}``.
    as_of, grace_days
        Of subscriptions: the first day not observed, by default the day after the last one began; and within how many
        days after the window one begins who has stayed.
    contacted : DataFrame or path, optional
        Who was contacted: ``customer_id, contact_date`` and, where several campaigns ran, ``campaign``.
    redeemed : DataFrame or path, optional
        Who took an incentive up: ``customer_id``; the playbook's ``redeem_rate`` counts where it is not given.
    discounted : bool
        Amounts of the log are already less the incentives.
    beside : sequence of Plan or path
        Plans of other campaigns of the time.
    playbook : Playbook or path, optional
        What is to be updated; by default what the plan was made with.

    Returns
    -------
    Readback
        It prints what the campaign did; ``effects``, ``profits``, ``findings`` and the updated ``playbook`` are its
        attributes.

    Raises
    ------
    InputError
        The plan was changed or has no control group, its window is not over, or the log is of other customers.
    """
    keys = parse_keys(ValueConfig, {"margin": margin, **(value or {})}, "readback")
    prepared: Any
    if isinstance(log, SubscriptionLog):
        if keys.has_own_margins:
            raise InputError("cost and margins are for purchase logs; give one margin")
        if not is_count(grace_days):
            raise InputError(f"grace_days={grace_days!r} is not a number of days; give 0 or more")
        prepared = workflows.dated_subscriptions(log, date.today(), day_of(as_of))
    elif as_of is not None or grace_days:
        raise InputError(
            "as_of and grace_days are of subscriptions; a purchase log has its date: read_log(as_of=...)"
        )
    else:
        prepared = (log if isinstance(log, Log) else read_log(log)).prepared
    return workflows.readback(
        plan, prepared, keys, contacted, redeemed, discounted, beside, playbook, grace_days
    )
