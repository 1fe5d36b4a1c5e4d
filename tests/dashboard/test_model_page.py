from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event

import pandas as pd
import pytest
from tests.dashboard.conftest import Client, served, write
from tests.pages import Texts, left_in_english

from clvml.dashboard.model_page import RECOMMENDATIONS, STANDINGS, Models, model_sections
from clvml.dashboard.store import Snapshots
from clvml.errors import InputError
from clvml.outcomes.model_state import ComparedModel, ModelState, MonitoredScores
from clvml.report.language import LANGUAGES, Language

ADDRESS = "http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=clvml&workflowType=machine_learning"
STATE = ModelState(
    champion="3",
    models=(
        ComparedModel("4", "challenger", date(2024, 2, 20), {"wape": 0.65, "roc_auc": 0.81}, "better"),
        ComparedModel("3", "champion", date(2024, 1, 5), {"wape": 0.7, "roc_auc": 0.8}, "champion"),
        ComparedModel("<b>x</b>", "", date(2024, 1, 4), {}, "not comparable"),
    ),
    monitored=(
        MonitoredScores(
            date(2023, 9, 1), date(2024, 2, 28), "3", "keep", {"wape": 0.72, "interval_coverage": 0.79}
        ),
    ),
    address=ADDRESS,
)


def shown(state: ModelState, code: str = "en") -> str:
    sections = model_sections(Models(lambda: state), Language(code))
    return " ".join(str(sections[name]["title"]) for name in ("champion", "monitored"))


@pytest.fixture(scope="module")
def client(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("models")
    path = write(frame, folder / "scores.csv")
    with served(Snapshots(path, folder), models=Models(lambda: STATE)) as client:
        yield client


@pytest.mark.parametrize("code", LANGUAGES)
def test_champion_challengers_and_checks(client: Client, code: str) -> None:
    page = client.get(f"/trust?lang={code}").text
    texts = " ".join(Texts(page).texts)
    say = Language(code)
    for words in (
        say.text("The model in use"),
        "0.650".replace(".", "," if code != "en" else "."),
        say.percent(0.79),
    ):
        assert str(words) in texts
    assert str(say.text(STANDINGS["better"])) in texts and str(say.text(RECOMMENDATIONS["keep"])) in texts
    assert f'href="{ADDRESS.replace("&", "&amp;")}"' in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page and "<b>x</b>" not in page
    if code != "en":
        assert left_in_english(page) == []


def test_titles_turn_with_what_is_found() -> None:
    assert shown(STATE).startswith(
        "1 model is clearly better than the one in use, 3 The newest check says: keep"
    )
    equal = replace(STATE, models=STATE.models[1:])
    assert shown(equal).startswith("No other model is clearly better than the one in use, 3")
    assert shown(replace(STATE, champion="", models=STATE.models[:1])).startswith(
        "No model is the champion yet"
    )
    assert "No scores have been held against what happened yet" in shown(replace(STATE, monitored=()))
    worse = replace(
        STATE, monitored=(replace(STATE.monitored[0], recommendation="retrain"), *STATE.monitored)
    )
    assert "train the model again, its order is off" in shown(worse)


def test_a_store_that_does_not_answer_is_a_note_on_the_page(frame: pd.DataFrame, tmp_path: Path) -> None:
    asked = []

    def ask() -> ModelState:
        asked.append(1)
        raise InputError("no store at <there>")

    with served(Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path), models=Models(ask)) as client:
        for _ in range(3):
            answer = client.get("/trust")
            assert answer.status_code == 200 and "no store at &lt;there&gt;" in answer.text
    # It is not asked again at once.
    assert asked == [1]


@pytest.mark.parametrize("code", LANGUAGES)
def test_nobody_waits_for_the_store(frame: pd.DataFrame, tmp_path: Path, code: str) -> None:
    answers, asked = Event(), []

    def ask() -> ModelState:
        asked.append(1)
        answers.wait(60)
        return STATE

    models = Models(ask)
    with served(Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path), models=models) as client:
        page = client.get(f"/trust?lang={code}").text
        say = Language(code)
        assert str(say.text("MLflow is being asked, which takes a few seconds.")) in Texts(page).texts
        # It follows by itself, or by the link without JavaScript.
        address = f"/trust?lang={code}"
        assert f'hx-get="{address}"' in page and f'<a href="{address}">' in page
        if code != "en":
            assert left_in_english(page) == []
        answers.set()
        assert models.ask().result(60) is STATE
        assert "hx-trigger" not in client.get(address).text
    assert asked == [1]


def test_what_was_known_stands_there_while_the_store_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clvml.dashboard.model_page._FRESH_SECONDS", 0.0)
    monkeypatch.setattr("clvml.dashboard.model_page._PATIENT_SECONDS", 0.01)
    answers = Event()
    answers.set()

    def ask() -> ModelState:
        answers.wait(60)
        return STATE

    models = Models(ask)
    models.ask().result(60)
    answers.clear()
    assert models.state() == (STATE, True)
    answers.set()
    models.ask().result(60)


def test_a_defect_while_the_store_is_asked_is_told_and_not_waited_for(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    def ask() -> ModelState:
        raise ZeroDivisionError

    with served(Snapshots(write(frame, tmp_path / "scores.csv"), tmp_path), models=Models(ask)) as client:
        answer = client.get("/trust")
        assert answer.status_code == 500 and "defect of clvml" in answer.text


def test_without_a_store_there_is_no_such_section() -> None:
    assert set(model_sections(None, Language("en")).values()) == {None, "", False}
    assert not re.search("MLflow", str(model_sections(None, Language("en"))))
