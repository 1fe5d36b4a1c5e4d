"""Uplift: from a past experiment with a control group, who is moved by which action."""

from clvml.decide.uplift.learning import Leaf, Uplift, learn
from clvml.decide.uplift.trial import Experiment, build_experiment, read_experiment

__all__ = ["Experiment", "Leaf", "Uplift", "build_experiment", "learn", "read_experiment"]
