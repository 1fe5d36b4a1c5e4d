"""The reference customer of an explanation, and the typical values of the features."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from clvml.customers import Feature
from clvml.customers.attributes import CATEGORY
from clvml.errors import InputError
from clvml.explain.wording import Typical, direction_of
from clvml.models.model_file import Part
from clvml.models.tree_file import first_problem

EXPLANATION = "explanation.json"
# Medians and directions of 10,000 customers are precise enough for sentences.
TYPICAL_ROWS = 10_000
# Below this share of all influence, a direction is an accident of the few trees that use the feature.
NEGLIGIBLE = 0.01

# A median may be that of an id or of a moment in nanoseconds.
_Number = Annotated[float, Field(ge=-1e300, le=1e300)]
_Plan = Annotated[str, Field(max_length=1_000)]
_Typical = tuple[_Number, Literal[-1, 1]]


class Reference(Part):
    """The customer with whom all others are compared, saved with the model.

    Attributes
    ----------
    inputs : dict
        The prior's inputs of this customer; empty where the model could not be explained, so that nobody has a reason.
    means : dict of str to float
        Mean contribution of each input of the prior, where contributions are relative to their mean.
    churn, value : dict of str to tuple
        By feature: the median among all customers, and 1 where high values raise the forecast, -1 where they lower
        it. Features without a clear direction are left out.
    """

    inputs: dict[str, _Number | _Plan] = Field(default_factory=dict)
    means: dict[str, _Number] = Field(default_factory=dict)
    churn: dict[str, _Typical] = Field(default_factory=dict)
    value: dict[str, _Typical] = Field(default_factory=dict)

    def typical(self, forecast: Literal["churn", "value"]) -> dict[str, Typical]:
        """Return the values by which `clvml.explain.reasons` recognises contradictory reasons."""
        return {name: Typical(*one) for name, one in getattr(self, forecast).items()}

    def save(self, directory: Path) -> None:
        """Write the file into an existing directory."""
        (directory / EXPLANATION).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def load(
        cls, directory: Path, known: Sequence[Feature], check: Callable[[dict[str, float | str]], None]
    ) -> Reference:
        """Return what `save` wrote for a model with these features; ``check`` raises ValueError on bad inputs.

        Raises
        ------
        InputError
            There is no such file, or it belongs to another model.
        """
        try:
            reference = cls.model_validate_json((directory / EXPLANATION).read_bytes())
            if reference.inputs:
                check(dict(reference.inputs))
            unknown = {*reference.churn, *reference.value} - {feature.name for feature in known}
            if unknown:
                raise ValueError(f"it is of another model: it reads {sorted(unknown)[0]!r}")
        except (OSError, ValueError) as error:
            raise InputError(
                f"the model in '{directory}' has lost its explanation ({first_problem(error)}); train it again"
            ) from None
        return reference


def find_typical(
    features: pd.DataFrame, contributions: NDArray[np.float64], known: Collection[Feature]
) -> dict[str, _Typical]:
    """Return the median and the direction of each feature that has a clear direction among these customers.

    The direction is that of the forecast, which readers compare: alike in the rest, customers who bought often may be
    likelier to leave although they are not. Where it is not clear, it is that of a contribution that is not negligible.
    """
    forecast = contributions.sum(axis=1)
    strength = np.abs(contributions[:, :-1]).mean(axis=0)
    told = strength >= NEGLIGIBLE * strength.sum()
    typical: dict[str, _Typical] = {}
    for place, feature in enumerate(known):
        # Codes have no order.
        if feature.unit == CATEGORY:
            continue
        values = features[feature.name].to_numpy(dtype=float, na_value=np.nan)
        direction = direction_of(values, forecast)
        if not direction and told[place]:
            direction = direction_of(values, contributions[:, place])
        if direction:
            typical[feature.name] = (float(np.nanmedian(values)), 1 if direction > 0 else -1)
    return typical
