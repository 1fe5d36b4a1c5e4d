"""Uplift: from a past experiment with a control group, who is moved by which action."""

from clvml.decide.uplift.experiment import Experiment, build_experiment, read_experiment
from clvml.decide.uplift.learning import Leaf, Uplift, learn

__all__ = ["Experiment", "Leaf", "Uplift", "build_experiment", "learn", "read_experiment"]
