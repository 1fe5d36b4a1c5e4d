"""The whole model of a customer base: prior, churn trees, spend trees, intervals, outlook."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.config import Config, ValueConfig
from clvml.errors import InputError
from clvml.features import available_features
from clvml.models.boosting import ChurnClassifier, SpendRegressor
from clvml.models.intervals import SpendIntervals, fit_intervals
from clvml.models.outlook import HORIZONS, growth, lifetime_value, next_order_days, value_days
from clvml.models.prior import PRIOR_COLUMNS, Prior
from clvml.models.trees import FORMS, Level, Trees, fit_trees, with_prior
from clvml.snapshots import CustomerDays
from clvml.windows import training_cutoffs

Array = NDArray[np.float64]

FORMAT_VERSION = 2


@dataclass(frozen=True)
class CustomerModel:
    """Predicts churn, spend and value of every customer of a purchase log.

    Attributes
    ----------
    config : Config
        As trained; the columns and cleaning of a scored file follow it.
    as_of : date
        Nothing dated at or after it was used.
    columns : tuple of str
        Optional columns of the purchase log that the features use.
    trees : Trees
        Prior and boosted trees.
    form : {"tweedie", "hurdle", "mean"}
        How spend is predicted; chosen on the newest training window, by a model that had not seen it.
    intervals : SpendIntervals
        From the same forecasts.
    fallback : dict of str to float
        ``p_churn`` and ``spend`` of customers about whom nothing but refunds is known.
    tiers : tuple of float
        Least ``clv`` [currency] of the tiers, highest first, from the customers at ``as_of``.
    thresholds : dict of str to float
        Other limits from these customers, so that what is said of a customer never depends on who else is
        scored.
    notes : tuple of str
        What was done because the log is short or unusual, in words.
    """

    config: Config
    as_of: date
    columns: tuple[str, ...]
    trees: Trees
    form: str
    intervals: SpendIntervals
    fallback: dict[str, float]
    tiers: tuple[float, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())

    @property
    def horizon_days(self) -> int:
        """Days of future that the model was trained for."""
        return self.config.windows.horizon_days

    def predict(self, features: pd.DataFrame, cutoff: date, value: ValueConfig | None = None) -> pd.DataFrame:
        """Predict each customer of the feature table of one cutoff.

        Parameters
        ----------
        features : DataFrame
            One row per customer (`CustomerDays.features`).
        cutoff : date
            The first day not observed.
        value : ValueConfig, optional
            Margin, discount and so on, instead of the trained ones.

        Returns
        -------
        DataFrame
            Same index. ``p_churn``, ``expected_orders`` [purchase days], ``expected_spend`` and its
            ``_low`` and ``_high`` [currency, over the horizon], ``expected_spend_{30,90,180,365}d``, ``clv``
            [currency], ``next_order_days`` [days; NaN beyond a year]. Customers without any purchase day get
            the fallback.
        """
        value = value or self.config.value
        days = [*HORIZONS, *value_days(value)]
        predicted = pd.DataFrame(
            {
                "p_churn": self.fallback["p_churn"],
                "expected_orders": 1.0 - self.fallback["p_churn"],
                "expected_spend": self.fallback["spend"],
                "next_order_days": np.nan,
            },
            index=features.index,
        )
        growths = np.tile(np.asarray(days, dtype=float) / self.horizon_days, (len(features), 1))
        known = (features["purchase_days"] > 0).to_numpy()
        if known.any():
            bought = features[known]
            frame = self.frame(bought, cutoff)
            p_churn = self.trees.p_churn(frame)
            orders = np.maximum(frame["btyd_orders"] / np.maximum(1.0 - frame["btyd_p_churn"], 1e-9), 1.0)
            spend = self.trees.spends(frame, p_churn)[self.form]
            waits = next_order_days(self.trees.prior, bought, cutoff, self.horizon_days, p_churn)
            predicted[known] = np.column_stack([p_churn, (1.0 - p_churn) * orders, spend, waits])
            growths[known] = growth(self.trees.prior, bought, cutoff, self.horizon_days, days)
        expected = predicted["expected_spend"].to_numpy()
        low, high = self.intervals.interval(expected)
        # Whoever may well buy nothing has zero in the interval, however much others like them spend.
        may_buy_nothing = predicted["p_churn"].to_numpy() > (1.0 - self.intervals.level) / 2.0
        predicted["expected_spend_low"] = np.where(may_buy_nothing, 0.0, low)
        predicted["expected_spend_high"] = high
        spend_by = expected[:, None] * growths
        for position, horizon in enumerate(HORIZONS):
            predicted[f"expected_spend_{horizon}d"] = spend_by[:, position]
        predicted["clv"] = lifetime_value(spend_by[:, len(HORIZONS) :], value)
        return predicted

    def frame(self, features: pd.DataFrame, cutoff: date) -> pd.DataFrame:
        """Return the features with the columns of the prior beside them.

        Raises
        ------
        InputError
            A feature of the trained model is missing.
        """
        self.check_features(features.columns)
        return pd.concat(
            [features, self.trees.prior.forecast(features, cutoff, self.horizon_days)], axis="columns"
        )

    def check_features(self, names: Collection[str]) -> None:
        """Raise `InputError` where a feature of the trained model is missing."""
        missing = sorted(set(self.trees.predictors) - set(names) - set(PRIOR_COLUMNS))
        if missing:
            needed = ", ".join(
                sorted({f.needs for f in available_features(self.columns) if f.name in missing} - {""})
            )
            remedy = f"give the column(s) {needed} as in training, or " if needed else ""
            raise InputError(
                f"the model was trained on features that this data does not have: {', '.join(missing[:5])}"
                f"{' ...' if len(missing) > 5 else ''}; {remedy}train a model on data like this"
            )

    def with_tiers(self, tiers: tuple[float, ...], thresholds: dict[str, float]) -> CustomerModel:
        """Return the model with the least ``clv`` of each value tier, highest first, and other limits."""
        return replace(self, tiers=tiers, thresholds=thresholds)

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the trees as UBJ into an existing directory."""
        state = {
            "format_version": FORMAT_VERSION,
            "config": self.config.model_dump(mode="json"),
            "as_of": self.as_of.isoformat(),
            "columns": list(self.columns),
            "prior": self.trees.prior.to_dict(),
            "predictors": list(self.trees.predictors),
            "blend": self.trees.blend.tolist(),
            "level": self.trees.level._asdict(),
            "spend_scale": {"tweedie": self.trees.tweedie.scale_, "gamma": self.trees.gamma.scale_},
            "form": self.form,
            "intervals": self.intervals.to_dict(),
            "fallback": self.fallback,
            "tiers": list(self.tiers),
            "thresholds": self.thresholds,
            "notes": list(self.notes),
        }
        (directory / "model.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
        self.trees.churn.save(directory / "churn.ubj")
        self.trees.tweedie.save(directory / "tweedie.ubj")
        self.trees.gamma.save(directory / "gamma.ubj")

    @classmethod
    def load(cls, directory: Path) -> CustomerModel:
        """Read what `save` wrote; runs no code that came with it.

        Raises
        ------
        InputError
            The directory holds no model, or one of another format version.
        """
        try:
            state = json.loads((directory / "model.json").read_text(encoding="utf-8"))
            if state["format_version"] != FORMAT_VERSION:
                raise InputError(
                    f"the model in '{directory}' has format {state['format_version']}, this clvml reads"
                    f" {FORMAT_VERSION}; train it again"
                )
            threads = int(state["config"]["model"]["n_jobs"])
            trees = Trees(
                prior=Prior.from_dict(state["prior"]),
                predictors=tuple(state["predictors"]),
                blend=np.asarray(state["blend"]),
                churn=ChurnClassifier(n_jobs=threads).load(directory / "churn.ubj"),
                tweedie=SpendRegressor(n_jobs=threads).load(
                    directory / "tweedie.ubj", state["spend_scale"]["tweedie"]
                ),
                gamma=SpendRegressor("gamma", n_jobs=threads).load(
                    directory / "gamma.ubj", state["spend_scale"]["gamma"]
                ),
                level=Level(**state["level"]),
            )
            return cls(
                config=Config.model_validate(state["config"]),
                as_of=date.fromisoformat(state["as_of"]),
                columns=tuple(state["columns"]),
                trees=trees,
                form=state["form"],
                intervals=SpendIntervals.from_dict(state["intervals"]),
                fallback=state["fallback"],
                tiers=tuple(state["tiers"]),
                thresholds=state["thresholds"],
                notes=tuple(state["notes"]),
            )
        except InputError:
            raise
        except (OSError, KeyError, TypeError, ValueError) as error:
            # XGBoost's errors go on for pages.
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"'{directory}' holds no clvml model ({reason}); give the model of a clvml training run"
            ) from None


def fit_customer_model(days: CustomerDays, as_of: date, config: Config) -> CustomerModel:
    """Train on everything before ``as_of`` and nothing after.

    Snapshots at the training cutoffs are stacked; the prior is fitted at ``as_of``; trees are boosted from it.
    How spend is predicted is chosen, and intervals are learnt, on the newest training window, from a model
    trained only on windows that had ended before it began.

    Raises
    ------
    InputError
        No training cutoff leaves room for the horizon, there are too few customers to learn from, or all or
        none of them churned.
    """
    windows = config.windows
    cutoffs = training_cutoffs(days.first_day, as_of, windows)
    if not cutoffs:
        history = (as_of - days.first_day).days
        longest = history - windows.min_history_days
        raise InputError(
            f"{history} days of history before {as_of} are too short for a horizon of {windows.horizon_days} days"
            f" with {windows.min_history_days} days before the first training cutoff; set windows.horizon_days to"
            f" {longest} or less, or give more data"
            if longest > 0
            else f"{history} days of history before {as_of} are too short to train on; give more data"
        )
    snapshots = {cutoff: days.snapshots([cutoff], windows.horizon_days) for cutoff in cutoffs}
    trees = fit_trees(days, snapshots, as_of, config)

    newest = cutoffs[-1]
    ended = {c: s for c, s in snapshots.items() if c + timedelta(days=windows.horizon_days) <= newest}
    held_out = snapshots[newest]
    selection = trees
    if ended:
        # The windows that had ended may hold too little to learn from.
        with suppress(InputError):
            selection = fit_trees(days, ended, newest, config)
    notes = []
    if selection is trees:
        notes.append(
            "the log is too short to hold out a training window: spend is the mean of both forms, and its"
            " intervals come from customers the model was trained on (they may be too narrow)"
        )
    frame = with_prior(held_out, selection.prior, newest, windows.horizon_days)
    spends = selection.spends(frame, selection.p_churn(frame))
    form = "mean" if selection is trees else _best_form(spends, held_out["actual_spend"].to_numpy())
    once = pd.concat([snapshot[snapshot["purchase_days"] == 1] for snapshot in snapshots.values()])
    if once.empty:
        once = held_out
    if not trees.prior.season.years:
        notes.append("less than a year of history, or no season in it: forecasts carry no season")
    return CustomerModel(
        config=config,
        as_of=as_of,
        columns=days.columns,
        trees=trees,
        form=form,
        intervals=fit_intervals(spends[form], held_out["actual_spend"]),
        fallback={
            "p_churn": float(once["churned"].mean()),
            "spend": max(float(once["actual_spend"].mean()), 0.0),
        },
        notes=tuple(notes),
    )


def _best_form(spends: dict[str, Array], actual: Array) -> str:
    """Return the form with the smallest sum of relative absolute and relative squared error.

    Either error alone would reward a bias: the absolute one towards zero, the squared one towards the largest.
    """
    absolute = {form: float(np.abs(spend - actual).mean()) for form, spend in spends.items()}
    squared = {form: float(np.sqrt(np.mean((spend - actual) ** 2))) for form, spend in spends.items()}
    least_absolute, least_squared = min(absolute.values()), min(squared.values())
    if least_absolute <= 0 or least_squared <= 0:
        return "mean"
    return min(FORMS, key=lambda form: absolute[form] / least_absolute + squared[form] / least_squared)
