"""Features that a user's own tables give beside the purchases: attributes of customers, and counts of their events."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from clvml.customers.attributes import Attribute
from clvml.customers.events import EventFeature, EventKind

Given = Attribute | EventFeature


def all_given(attributes: Sequence[Attribute], events: Sequence[EventKind]) -> tuple[Given, ...]:
    """Return what a model reads of them, attributes first."""
    return (*attributes, *(one for kind in events for one in kind.features))


def read_given(features: pd.DataFrame, given: Sequence[Given]) -> pd.DataFrame:
    """Return a feature table with what is given as a model reads it: numbers, and codes of categories."""
    return features.assign(**{one.name: one.read(features[one.name]) for one in given})
