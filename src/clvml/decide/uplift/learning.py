"""What a past experiment says about each treatment: one effect for all, or effects by group where the gate is open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clvml.decide.playbook import EffectOf, SaveRate
from clvml.decide.power import Z
from clvml.decide.uplift.doubly_robust import OutcomeModels, deal_folds, design_matrix
from clvml.decide.uplift.gate import FOLDS, Gate, check_out_of_fold
from clvml.decide.uplift.honest_tree import EffectTree, fit_tree, tree_inputs
from clvml.decide.uplift.trial import Experiment, check_chance

Array = NDArray[np.float64]

_SEED = 0


@dataclass(frozen=True)
class Leaf:
    """A group of customers by a rule, and how far a treatment moves them.

    Attributes
    ----------
    customers : int
        Of both groups of the experiment.
    without, raw, error : float
        Mean outcome without treatment; mean effect among customers whom the tree has not seen, and its standard error.
    effect, spread : float
        Drawn towards the mean of all and by the slope of the gate: what is believed.
    """

    rule: str
    customers: int
    without: float
    raw: float
    error: float
    effect: float
    spread: float


@dataclass(frozen=True)
class Uplift:
    """What one treatment does to one outcome.

    Attributes
    ----------
    effect, error, low, high : float
        Mean effect on all, doubly robust, with its standard error and 95 % interval.
    binary : bool
        Whether the outcome is 0 or 1.
    leaves : tuple of Leaf
        What the tree says, whatever the gate says; the most moved first.
    doubt : str
        Why groups are not alike; empty where they are.
    """

    arm: str
    outcome: str
    treated: int
    control: int
    mean_treated: float
    mean_control: float
    effect: float
    error: float
    low: float
    high: float
    binary: bool
    gate: Gate
    leaves: tuple[Leaf, ...]
    doubt: str

    @property
    def learnt(self) -> bool:
        """Whether effects by group go into the playbook, and not the one of all."""
        return self.gate.open and not self.doubt

    def save_rate(self, campaign: str) -> SaveRate | None:
        """Return the effect as the playbook has it: of those who would have stayed away, the share that came.

        ``effect / (1 - mean without treatment)``. None where the outcome is not 0 or 1, everybody came anyway, or the
        groups are not alike.
        """
        if not self.binary or self.doubt or self.mean_control >= 1.0:
            return None
        by = [_of_group(leaf) for leaf in self.leaves if leaf.without < 1.0] if self.learnt else []
        away = 1.0 - self.mean_control
        return SaveRate(
            mean=_share(self.effect / away),
            sd=_share(self.error / away),
            source="learnt",
            campaign=campaign,
            by=by,
        )


def learn(experiment: Experiment, arm: str, outcome: str) -> Uplift:
    """Learn how far a treatment moves whom, and whether that can be believed.

    Customers of other treatments are left out, and the order of the rows does not matter.
    """
    rows = _in_order(experiment, arm, outcome)
    treated = (experiment.treatment.iloc[rows] == arm).to_numpy()
    y = experiment.outcomes[outcome].to_numpy(dtype=float)[rows]
    features = experiment.features.iloc[rows]
    if experiment.propensity is None:
        propensity = np.full(len(treated), treated.mean())
    else:
        propensity = experiment.propensity[rows]
    design = design_matrix(features)
    inputs, splits = tree_inputs(features)
    gate = check_out_of_fold(design, inputs, splits, treated, propensity, y)
    scores = OutcomeModels(design, treated, propensity, y, deal_folds(treated, FOLDS, _SEED)).scores()
    tree = fit_tree(inputs, splits, scores, _SEED)
    effect, error = float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(len(scores)))
    return Uplift(
        arm=arm,
        outcome=outcome,
        treated=int(treated.sum()),
        control=int((~treated).sum()),
        mean_treated=float(y[treated].mean()),
        mean_control=float(y[~treated].mean()),
        effect=effect,
        error=error,
        low=effect - Z * error,
        high=effect + Z * error,
        binary=bool(np.isin(y, (0.0, 1.0)).all()),
        gate=gate,
        leaves=_leaves(tree, tree.places(inputs), treated, y, effect, gate),
        doubt=check_chance(experiment, arm),
    )


def _in_order(experiment: Experiment, arm: str, outcome: str) -> NDArray[np.intp]:
    """Return the rows of two groups, ordered by what they hold: those that hold the same are the same."""
    own = np.flatnonzero(experiment.treatment.isin([arm, experiment.control]))
    held = experiment.features.assign(**{"": experiment.treatment}).iloc[own]
    if experiment.propensity is not None:
        held[" "] = experiment.propensity[own]
    known = pd.util.hash_pandas_object(held, index=False).to_numpy()
    return own[np.lexsort((experiment.outcomes[outcome].to_numpy()[own], known))]


def _leaves(
    tree: EffectTree,
    places: NDArray[np.intp],
    treated: NDArray[np.bool_],
    y: Array,
    effect: float,
    gate: Gate,
) -> tuple[Leaf, ...]:
    kept = gate.kept
    leaves = []
    for place, rule in enumerate(tree.rules()):
        own = places == place
        alone = own & ~treated
        leaves.append(
            Leaf(
                rule=rule,
                customers=int(own.sum()),
                without=float(y[alone].mean()) if alone.any() else float(y[~treated].mean()),
                raw=float(tree.effects[place]),
                error=float(tree.errors[place]),
                effect=effect + kept * float(tree.shrunk.mean[place] - tree.shrunk.common),
                spread=float(tree.shrunk.spread[place]),
            )
        )
    return tuple(sorted(leaves, key=lambda leaf: (-leaf.effect, leaf.rule)))


def _of_group(leaf: Leaf) -> EffectOf:
    away = 1.0 - leaf.without
    return EffectOf(where=leaf.rule, mean=_share(leaf.effect / away), sd=_share(leaf.spread / away))


def _share(value: float) -> float:
    return round(min(max(value, -1.0), 1.0), 6)
