"""A past experiment: who was treated how, what was known before, what happened after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from clvml.decide.uplift.doubly_robust import design_matrix
from clvml.errors import InputError, did_you_mean, first_of
from clvml.log.table import read_table, with_numbers

# What a group that was left alone is usually called.
_CONTROLS = (
    "control",
    "control group",
    "holdout",
    "hold-out",
    "none",
    "no treatment",
    "untreated",
    "0",
    "0.0",
    "false",
)
# Fewer tell nothing about who is moved.
LEAST_GROUP = 200
_MOST_LEVELS = 100
# Chance makes groups as unlike as this once in a million experiments.
_UNLIKE = 1e-6


@dataclass(frozen=True)
class Experiment:
    """An experiment with a control group.

    Attributes
    ----------
    features : DataFrame
        What was known before, one row per customer: numbers and texts.
    treatment : Series
        Which treatment each customer got, as text.
    control : str
        The value of those who got none.
    outcomes : DataFrame
        What happened after, as numbers.
    propensity : ndarray or None, shape (n,)
        Probability with which each customer was to be treated, where it was not the same for all.
    """

    features: pd.DataFrame
    treatment: pd.Series
    control: str
    outcomes: pd.DataFrame
    propensity: NDArray[np.float64] | None = None

    @property
    def arms(self) -> list[str]:
        """The treatments, sorted."""
        return sorted(set(self.treatment) - {self.control})


def read_experiment(
    path: Path,
    treatment: str,
    outcomes: Sequence[str],
    features: Sequence[str],
    control: str | None = None,
    propensity: str | None = None,
) -> Experiment:
    """Read the file of an experiment (any that `clvml.log.table` reads), one row per customer.

    Parameters
    ----------
    treatment : str
        Column that says who got what.
    outcomes : sequence of str
        Columns of what happened after.
    features : sequence of str
        Columns that were known before.
    control : str, optional
        The value of ``treatment`` for the control group; guessed from its usual names.
    propensity : str, optional
        Column with the probability with which the customer was to be treated; with one treatment only.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or is not an experiment.
    """
    table = read_table(path, "experiment")
    asked = [treatment, *outcomes, *features, *([propensity] if propensity else [])]
    used = table[[name for name in dict.fromkeys(asked) if name in table and name != treatment]]
    table = table.assign(**with_numbers(used, f"experiment '{path}'"))
    return build_experiment(table, treatment, outcomes, features, control, propensity, f"experiment '{path}'")


def build_experiment(
    table: pd.DataFrame,
    treatment: str,
    outcomes: Sequence[str],
    features: Sequence[str],
    control: str | None = None,
    propensity: str | None = None,
    origin: str = "the experiment",
) -> Experiment:
    """Check the table of an experiment; see `read_experiment`."""
    known = [str(name) for name in table.columns]
    asked = [treatment, *outcomes, *features, *([propensity] if propensity else [])]
    for name in asked:
        if name not in known:
            raise InputError(
                f"{origin} has no column '{name}'{did_you_mean(name, known)}; it has {first_of(known)}"
            )
    twice = sorted({name for name in asked if asked.count(name) > 1})
    if twice:
        raise InputError(
            f"{origin}: column '{twice[0]}' is named twice; it is the treatment, an outcome or a feature"
            " that was known before, and only one of them"
        )
    if not features or not outcomes:
        raise InputError(f"{origin}: name at least one outcome and one feature that was known before")
    groups = _texts(table[treatment])
    if groups.isna().any():
        raise InputError(
            f"{origin}: column '{treatment}' is empty in {int(groups.isna().sum()):,} rows; say what they got"
        )
    control = _control(groups, control, treatment, origin)
    counts = groups.value_counts()
    if propensity and len(counts) > 2:
        raise InputError(
            f"{origin} has {len(counts) - 1} treatments, and --propensity is that of one; give the customers of one"
            " treatment and of the control group at a time"
        )
    few = [f"'{name}' ({count:,})" for name, count in counts.items() if count < LEAST_GROUP]
    if few:
        raise InputError(
            f"{origin}: too few customers in {', '.join(few)}; {LEAST_GROUP} of each group are needed to learn anything"
        )
    return Experiment(
        pd.DataFrame({name: _feature(table[name], f"{origin}: feature '{name}'") for name in features}),
        groups,
        control,
        pd.DataFrame({name: _outcome(table[name], f"{origin}: outcome '{name}'") for name in outcomes}),
        _propensity(table[propensity], origin) if propensity else None,
    )


def check_chance(experiment: Experiment, arm: str) -> str:
    """Return what says that chance did not decide who got a treatment; empty where nothing does.

    Score test of a regression of treatment on what was known before: ``n R^2`` against chi-squared.
    """
    if experiment.propensity is not None:
        return ""
    rows = experiment.treatment.isin([arm, experiment.control]).to_numpy()
    design = design_matrix(experiment.features[rows])[:, 1:]
    treated = (experiment.treatment[rows] == arm).to_numpy(dtype=float)
    left = treated - treated.mean()
    # Columns of bins and levels depend on each other: only directions in which they vary count.
    sizes, directions = np.linalg.eigh(design.T @ design)
    varies = sizes > 1e-9 * sizes.max(initial=0.0)
    explained = ((directions[:, varies].T @ (design.T @ left)) ** 2 / sizes[varies]).sum() / (left @ left)
    p_value = float(chdtrc(max(int(varies.sum()), 1), len(treated) * float(explained)))
    if p_value >= _UNLIKE:
        return ""
    gaps = {}
    for name in experiment.features:
        one = design_matrix(experiment.features.loc[rows, [name]])[:, 1:]
        gap = one[treated == 1].mean(axis=0) - one[treated == 0].mean(axis=0)
        gaps[name] = float(np.abs(gap).max(initial=0.0))
    worst = max(gaps, key=lambda name: gaps[name])
    return (
        f"'{arm}' and the control group differ in what was known before, most in '{worst}': not chance alone decided"
        " who got what, or that column was measured afterwards. Leave it out, or give the probability with which each"
        " customer was to be treated with --propensity"
    )


def _control(groups: pd.Series, control: str | None, treatment: str, origin: str) -> str:
    present = sorted(groups.unique())
    if len(present) < 2:
        raise InputError(
            f"{origin}: column '{treatment}' holds '{present[0] if present else ''}' alone; an experiment has a control"
            " group beside the treated"
        )
    if control is None:
        guessed = [name for name in present if name.lower() in _CONTROLS]
        if len(guessed) != 1:
            raise InputError(
                f"{origin}: which value of '{treatment}' is the control group is not known; name it with --control, one"
                f" of {', '.join(repr(name) for name in present[:20])}"
            )
        return str(guessed[0])
    if control not in present:
        raise InputError(
            f"{origin}: '{treatment}' is never '{control}'{did_you_mean(control, present)}; it is"
            f" {', '.join(repr(name) for name in present[:20])}"
        )
    return control


def _texts(values: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.astype("string").str.strip()


def _feature(values: pd.Series, where: str) -> pd.Series:
    if pd.api.types.is_bool_dtype(values):
        return values.astype(float)
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.astype(float)
        if np.isinf(numbers).any():
            raise InputError(f"{where} is infinite for a customer; leave it empty where it is not known")
        return numbers
    if pd.api.types.is_datetime64_any_dtype(values):
        raise InputError(f"{where} is a date; give days since it as a number")
    texts = values.astype("string")
    if texts.nunique() > _MOST_LEVELS:
        raise InputError(
            f"{where} holds {texts.nunique():,} different texts, such as '{texts.dropna().iloc[0]}'; an id tells"
            f" nothing of others: leave it out, or group it into {_MOST_LEVELS} at most"
        )
    return texts


def _outcome(values: pd.Series, where: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    bad = ~np.isfinite(numbers)
    if bad.any():
        first = values[bad].iloc[0]
        raise InputError(
            f"{where} is '{first}' for {int(bad.sum()):,} customers; give a number for everybody, 0 for who did nothing"
        )
    return numbers


def _propensity(values: pd.Series, origin: str) -> NDArray[np.float64]:
    given = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    if not ((given > 0.0) & (given < 1.0)).all():
        raise InputError(
            f"{origin}: column '{values.name}' must be a probability above 0 and below 1 for everybody"
        )
    return given
