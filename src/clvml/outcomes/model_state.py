"""How the model in use stands: beside the others of its experiment, and against what came of its scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Standing = Literal["champion", "better", "worse", "better and worse", "no clear difference", "not comparable"]


@dataclass(frozen=True)
class ComparedModel:
    """A trained model beside the champion.

    Attributes
    ----------
    name : str
        Its version where it is registered, else its run.
    alias : str
        champion, challenger or another; empty without.
    metrics : dict of str to float
        Out of time, by their keys in `clvml.evaluation.leaderboard.METRICS`.
    standing : str
        Against the champion, on the same customers and dates.
    """

    name: str
    alias: str
    trained: date
    metrics: dict[str, float]
    standing: Standing


@dataclass(frozen=True)
class MonitoredScores:
    """What `clvml monitor` found.

    Attributes
    ----------
    as_of, until : date
        Of the scores, and up to when what happened is known.
    recommendation : str
        keep, recalibrate or retrain.
    metrics : dict of str to float
        Of the scores against what happened.
    """

    as_of: date
    until: date
    model_version: str
    recommendation: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class ModelState:
    """What a tracking store knows of the models of an experiment.

    Attributes
    ----------
    champion : str
        Its version or run; empty where there is none.
    models : tuple of ComparedModel
        Best first.
    monitored : tuple of MonitoredScores
        Those that know most of what happened first, of these the newest scores.
    address : str
        Of the experiment in MLflow; empty where that is not known.
    """

    champion: str
    models: tuple[ComparedModel, ...]
    monitored: tuple[MonitoredScores, ...]
    address: str
