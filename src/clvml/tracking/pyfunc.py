"""How MLflow loads and serves a clvml model: the loader module that its artifact names.

The artifact holds data alone; this code comes with the installed package, so loading a model runs nothing
that came with it. Input is one of two tables, told apart by their columns: a purchase log, one row per order or
line, with the columns of the data that the model was trained on (ids and dates as text, amounts as numbers); or a
feature table, one row per customer, as the query of `clvml sql` makes it. Events that the model counts stand
between the purchases, in rows of their own (docs/events.md). A model of subscriptions takes a table of
subscriptions with the columns of its training data. Output is the scored file: for a log one row per customer, best
value first; for features a row for each row, in their order.

    model = mlflow.pyfunc.load_model("models:/clvml@champion")
    model.predict(log.astype({"customer_id": str, "order_date": str, "amount": float}))
    model.predict(log, params={"as_of": "2011-12-10"})
    model.predict(features, params={"as_of": "2011-12-10"})
    mlflow.pyfunc.spark_udf(spark, "models:/clvml@champion", result_type=..., params={"as_of": "2011-12-10"})
"""

from __future__ import annotations

import re
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from clvml.errors import InputError
from clvml.models.model_file import stored_mode
from clvml.storage.yaml_text import parse_yaml

if TYPE_CHECKING:
    from clvml.customers import Feature
    from clvml.scores.scorer import Scorer
    from clvml.scores.subscribers import SubscriptionScorer


class PurchaseLogScorer:
    """Scores purchase logs, feature tables and subscriptions with the model in a directory, which `run_id` trained."""

    def __init__(self, directory: str | Path, run_id: str = "") -> None:
        self.directory = Path(directory)
        self.run_id = run_id

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the scored rows of a purchase log or a feature table.

        Parameters
        ----------
        model_input : DataFrame
            With columns of the model's signature, which names those of both.
        params : dict, optional
            ``as_of``: the first day not observed, such as "2011-12-10"; empty or absent takes the day after
            the last order, or the features' cutoff. ``value_reasons``: whether to say why the expected spend is
            high or low.

        Raises
        ------
        InputError
            ``as_of`` is not a date, or the scorer refuses the input.
        """
        # Imported here, for a process that only tracks needs no models.
        from clvml.scores.serving import pyfunc_predict

        asked = (params or {}).get("value_reasons")
        scorer = self._scorer.with_value_reasons() if asked else self._scorer
        return pyfunc_predict(scorer, model_input, _as_of(params))

    def load(self) -> None:
        """Load the model before it is asked.

        Raises
        ------
        InputError
            The directory holds no model of clvml.
        """
        _ = self._scorer

    def given(self) -> tuple[Feature, ...]:
        """Return the features that a model of purchases reads of other tables: attributes and events of customers."""
        from clvml.scores.scorer import Scorer

        scorer = self._scorer
        return tuple(one.feature for one in scorer.model.trees.given) if isinstance(scorer, Scorer) else ()

    @cached_property
    def _scorer(self) -> Scorer | SubscriptionScorer:
        # A server asks many times.
        if stored_mode(self.directory) == "subscription":
            from clvml.scores.subscribers import SubscriptionScorer

            return SubscriptionScorer.load(self.directory, run_id=self.run_id)
        from clvml.scores.scorer import Scorer

        return Scorer.load(self.directory, run_id=self.run_id)


def _load_pyfunc(path: str) -> PurchaseLogScorer:
    """Return the scorer for a model's data directory. MLflow calls it by this name."""
    # MLflow hands over only <artifact>/data/model, and what it knows of the model's origin lies two above.
    described = Path(path).absolute().parents[1] / "MLmodel"
    origin = parse_yaml(described.read_text(encoding="utf-8")) if described.is_file() else {}
    return PurchaseLogScorer(path, run_id_of(origin) or "")


def run_id_of(described: Any) -> str | None:
    """Return the run that an MLmodel file names, empty where it names none; None where that is not a run's id.

    >>> run_id_of({"run_id": "0123456789abcdef0123456789abcdef"}), run_id_of({}), run_id_of({"run_id": "=1+1"})
    ('0123456789abcdef0123456789abcdef', '', None)
    """
    found = described.get("run_id") if isinstance(described, dict) else None
    if found in (None, ""):
        return ""
    return found if isinstance(found, str) and re.fullmatch(r"[0-9a-f]{32}", found) else None


def _as_of(params: dict[str, Any] | None) -> date | None:
    text = str((params or {}).get("as_of") or "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"params as_of '{text}' is not a date; give it as YYYY-MM-DD") from None
