"""The model in use, on the page of trust: beside the others, and against what came of its scores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from clvml.errors import InputError
from clvml.outcomes.model_state import ModelState
from clvml.report.language import Language
from clvml.report.vocabulary import N_

STANDINGS = {
    "champion": N_("in use"),
    "better": N_("clearly better"),
    "worse": N_("clearly worse"),
    "better and worse": N_("better in some measures, worse in others"),
    "no clear difference": N_("no clear difference"),
    "not comparable": N_("tested on other data"),
}
ALIASES = {"champion": N_("champion"), "challenger": N_("challenger")}
RECOMMENDATIONS = {
    "keep": N_("keep the model"),
    "recalibrate": N_("train it again: its level is off"),
    "retrain": N_("train it again: its order is off"),
}
_TITLES = {
    "keep": N_("The newest check says: keep the model"),
    "recalibrate": N_("The newest check says: train the model again, its level is off"),
    "retrain": N_("The newest check says: train the model again, its order is off"),
}
# Models change by the day, and to compare them takes seconds. A page waits for less than a second.
_FRESH_SECONDS, _PATIENT_SECONDS = 300.0, 0.5


class Models:
    """What the tracking store knows of the models, asked anew after some minutes, beside what pages do.

    Parameters
    ----------
    ask : callable
        Asks the store; raises InputError where that cannot be.
    """

    def __init__(self, ask: Callable[[], ModelState]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Future[ModelState | str] | None = None
        self._known: ModelState | str | None = None
        self._fresh_until = 0.0

    def ask(self) -> Future[ModelState | str]:
        """Return what comes of asking the store; it is asked only if what it said is old."""
        with self._lock:
            if self._asked is None or (self._asked.done() and time.monotonic() >= self._fresh_until):
                self._asked = Future()
                # Nobody waits at the end for a store that does not answer.
                threading.Thread(target=self._answer, args=(self._asked,), daemon=True).start()
            return self._asked

    def state(self) -> tuple[ModelState | str | None, bool]:
        """Return what was known last, and whether more is to come.

        The first is how the models stand; what is wrong where that cannot be known; None where nothing is known yet.
        """
        asked = self.ask()
        wait([asked], _PATIENT_SECONDS)
        return (asked.result(), False) if asked.done() else (self._known, True)

    def _answer(self, asked: Future[ModelState | str]) -> None:
        try:
            found: ModelState | str = self._ask()
        except InputError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001 - whoever looks is told of it
            asked.set_exception(error)
            return
        self._known, self._fresh_until = found, time.monotonic() + _FRESH_SECONDS
        asked.set_result(found)


def model_sections(models: Models | None, say: Language) -> dict[str, Any]:
    """Return the sections on the model in use; None for what there is not."""
    state, asking = models.state() if models else (None, False)
    sections = {"champion": None, "monitored": None, "store_fault": None, "asking": asking, "mlflow": ""}
    if not isinstance(state, ModelState):
        return {**sections, "store_fault": state}
    return {
        **sections,
        "champion": _champion(state, say),
        "monitored": _monitored(state, say),
        "mlflow": state.address,
    }


def _champion(state: ModelState, say: Language) -> dict[str, Any]:
    better = sum(model.standing == "better" for model in state.models)
    if not state.champion:
        title = say.text("No model is the champion yet")
    elif better:
        title = say.plural(
            "{n} model is clearly better than the one in use, {champion}",
            "{n} models are clearly better than the one in use, {champion}",
            better,
            champion=state.champion,
        )
    else:
        title = say.text(
            "No other model is clearly better than the one in use, {champion}", champion=state.champion
        )
    return {
        "title": title,
        "lead": say.text(
            "Models against the one in use, on the same customers and dates, where chance is ruled out at 95%. Spend"
            " error: WAPE; AUC: 0.5 is chance."
        ),
        "columns": [
            say.text("Model"),
            say.text("Trained"),
            say.text("Spend error"),
            say.text("AUC"),
            say.text("Against the one in use"),
        ],
        "rows": [
            [
                f"{model.name} ({say.named(ALIASES, model.alias)})" if model.alias else model.name,
                say.date(model.trained),
                _figure(model.metrics, "wape", say),
                _figure(model.metrics, "roc_auc", say),
                say.text(STANDINGS[model.standing]),
            ]
            for model in state.models
        ],
    }


def _monitored(state: ModelState, say: Language) -> dict[str, Any]:
    if not state.monitored:
        return {
            "title": say.text("No scores have been held against what happened yet"),
            "lead": say.text(
                "<code>clvml monitor</code> does that, with a scored file of some time ago and the log up to now."
            ),
            "columns": [],
            "rows": [],
        }
    return {
        "title": say.named(_TITLES, state.monitored[0].recommendation),
        "lead": say.text(
            "Scores against what happened, the newest first; AUC and intervals once the whole period is over."
        ),
        "columns": [
            say.text("Scores as of"),
            say.text("up to"),
            say.text("Model"),
            say.text("Spend error"),
            say.text("AUC"),
            say.text("In the 80% interval"),
            say.text("What to do"),
        ],
        "rows": [
            [
                say.date(one.as_of),
                say.date(one.until),
                one.model_version or "–",
                _figure(one.metrics, "wape", say),
                _figure(one.metrics, "roc_auc", say),
                _figure(one.metrics, "interval_coverage", say, share=True),
                say.named(RECOMMENDATIONS, one.recommendation),
            ]
            for one in state.monitored
        ],
    }


def _figure(metrics: dict[str, float], name: str, say: Language, share: bool = False) -> str:
    value = metrics.get(name)
    if value is None:
        return "–"
    return say.percent(value) if share else say.number(value, 3)
