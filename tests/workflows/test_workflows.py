"""The stages put together: dates, assumptions, notes and answers in words."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from clvml import workflows
from clvml.config import parse_config
from clvml.errors import InputError
from clvml.evaluation.backtest import Backtest
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import build_leaderboard
from clvml.scores.scorer import Scorer
from clvml.scores.tiers import tier_thresholds
from clvml.tracking.registry import resolve_model

NOW = datetime(2025, 1, 1, tzinfo=UTC)
LOG = "Client No,Purchase Date,Total,SKU\n1,2024-01-05,10,a\n2,2024-03-01,5,b\n1,2024-04-30,-2,a\n"


def refused(message: str):
    """Expect an InputError with exactly this message."""
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return str(path)


@pytest.fixture
def scorer(shop):
    found = resolve_model("champion", "clvml", shop.tracking)
    return Scorer.load(found.directory, found.version, found.run_id)


def test_a_mapping_is_assumed_from_the_names_of_the_columns(written):
    config = workflows.assume_config(written)
    assert config.data.source == written
    assert config.data.columns.mapped() == {
        "customer_id": "Client No",
        "order_date": "Purchase Date",
        "amount": "Total",
        "product_id": "SKU",
    }
    assert config.windows.horizon_days == workflows.ASSUMED_HORIZON_DAYS
    assert workflows.prepare(config.data, NOW).log.quality.customers == 2


def test_a_column_without_digits_is_no_amount(tmp_path):
    """The currency of a revenue is called almost like the revenue."""
    path = tmp_path / "log.csv"
    path.write_text("Kunde,WKZ Umsatz,Umsatzneu,Belegdatum\na,EUR,5.00,2024-01-05\nb,EUR,6.00,2024-01-06\n")
    assert workflows.assume_config(str(path)).data.columns.amount == "Umsatzneu"


def test_a_column_with_digits_is_no_currency(tmp_path):
    """In German, Valuta is the day from which money counts."""
    path = tmp_path / "log.csv"
    path.write_text("Kunde,Datum,Valuta,Betrag\na,2024-01-05,2024-01-06,5.00\nb,2024-01-06,2024-01-08,6.00\n")
    assert workflows.assume_config(str(path)).data.columns.currency is None
    path.write_text(path.read_text().replace("2024-01-06,5", "SEK,5").replace("2024-01-08", "SEK"))
    assert workflows.assume_config(str(path)).data.columns.currency == "Valuta"
    # Where no other day is there, it is that of the purchase.
    path.write_text("Kunde,Valuta,Betrag\na,2024-01-05,5.00\nb,2024-01-06,6.00\n")
    columns = workflows.assume_config(str(path)).data.columns
    assert (columns.order_date, columns.currency) == ("Valuta", None)
    path.write_text("Kunde,Faktura,Valuta,Betrag\na,1,SEK,5.00\nb,2,SEK,6.00\n")
    with pytest.raises(InputError, match="Nothing looks like order_date"):
        workflows.assume_config(str(path))


def test_what_is_named_is_taken_and_the_rest_is_assumed(written):
    overrides = [
        "data.columns.customer_id=SKU",
        "data.columns.product_id=",
        "data.timezone=Europe/Paris",
        "windows.horizon_days=30",
    ]
    config = workflows.assume_config(written, overrides)
    assert config.data.columns.mapped() == {
        "customer_id": "SKU",
        "order_date": "Purchase Date",
        "amount": "Total",
    }
    assert config.data.timezone == "Europe/Paris"
    assert config.windows.horizon_days == 30


def test_columns_that_cannot_be_guessed_are_asked_for(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer_id,order_date,x,y\n1,2024-01-05,10,a\n")
    message = (
        f"'{path}' has no column for amount: amount (data.columns). Its columns: customer_id, order_date, x, y."
        " Did you mean columns: {customer_id: customer_id, order_date: order_date}? Nothing looks like amount: name"
        " the right column in data.columns. Without --config, name it with --set data.columns.amount=COLUMN"
    )
    with refused(message):
        workflows.assume_config(str(path))
    assert workflows.assume_config(str(path), ["data.columns.amount=x"]).data.columns.amount == "x"


def test_a_named_column_that_is_not_there_is_refused_when_read(written):
    config = workflows.assume_config(written, ["data.columns.amount=Totl"])
    with pytest.raises(InputError, match=r"has no column for amount: Totl \(data\.columns\)"):
        workflows.prepare(config.data, NOW)


@pytest.mark.parametrize(
    "override", ["data=5", "data.columns=5", "data.columns.amount=5", "data.colums.amount=x"]
)
def test_nonsense_in_an_assumed_configuration_is_refused(written, override):
    with pytest.raises(InputError, match=r"^--set has \d problems?:\n"):
        workflows.assume_config(written, [override])


def test_the_date_is_the_day_after_the_last_order_and_said(written):
    prepared = workflows.prepare(workflows.assume_config(written).data, NOW)
    assert prepared.as_of == date(2024, 5, 1)
    assert prepared.note == "as of 2024-05-01, the day after the last order; --as-of sets another date"


def test_a_date_long_after_the_last_order_is_noted(written):
    data = workflows.assume_config(written).data
    assert workflows.prepare(data, NOW, as_of=date(2024, 5, 31)).note == ""
    assert workflows.prepare(data, NOW, as_of=date(2024, 6, 1)).note == (
        "no order in the 32 days before 2024-06-01: if orders are missing since 2024-04-30, customers look"
        " likelier to leave than they are; give newer orders or, to train and to score, leave --as-of out"
    )


def test_rejects_are_never_written_over_the_data(written, tmp_path):
    data = workflows.assume_config(written).data
    message = (
        f"rejects file '{written}' lies inside the data that is read ('{written}'), which is never changed; write"
        " it somewhere else"
    )
    with refused(message):
        workflows.prepare(data, NOW, rejects=tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == LOG


def test_length_is_checked_against_the_horizon(written):
    config = workflows.assume_config(written, ["windows.horizon_days=58"])
    prepared = workflows.prepare(config.data, NOW)
    verdict = workflows.check_length(prepared, config)
    assert (verdict.enough, verdict.trained_days, verdict.longest_horizon_days) == (True, 58, 58)
    longer = config.model_copy(update={"windows": config.windows.model_copy(update={"horizon_days": 60})})
    verdict = workflows.check_length(prepared, longer)
    assert (verdict.enough, verdict.trained_days, verdict.longest_horizon_days) == (False, 58, 57)
    assert verdict.message == (
        "the log has 117 days before 2024-05-01; a horizon of 60 days needs 120 (60 of horizon and 60 of history):"
        " not enough; windows of 58 days will be trained on, and carried on from there"
    )


def test_training_records_the_log_that_it_read(shop, scorer):
    assert scorer.model.config.data.source == str(shop.log)
    assert scorer.model.as_of == date(2024, 6, 30)
    assert set(scorer.model.thresholds) == {"big_spend_365d"}


def test_scoring_notes(shop, scorer):
    config = scorer.model.config

    def notes(as_of, today=None, **settings):
        prepared = workflows.prepare(config.data, NOW, as_of=as_of)
        return workflows.scoring_notes(prepared, scorer, config.model_copy(update=settings), today)

    assert notes(date(2024, 6, 30)) == []
    assert notes(date(2024, 8, 29))[1:] == []
    assert notes(date(2024, 8, 30))[1:] == [
        "the model was trained 61 days before 2024-08-30, longer ago than its horizon of 60 days; train it again"
    ]
    assert notes(date(2024, 6, 29)) == [
        "the model was trained on data up to 2024-06-30, after 2024-06-29: it has seen what it predicts here"
    ]
    assert notes(date(2024, 6, 30), today=date(2024, 8, 30)) == [
        "the scores are as of 2024-06-30, 61 days ago and longer than the horizon of 60 days: they say what was to be"
        " expected then, not what is ahead"
    ]
    other = {
        "windows": config.windows.model_copy(update={"horizon_days": 90}),
        "value": config.value.model_copy(update={"margin": 0.5}),
    }
    assert notes(date(2024, 6, 30), **other) == [
        "the model was trained with other settings, which count: windows.horizon_days (90 asked, 60 used),"
        " value.margin (0.5 asked, 0.3 used)"
    ]
    assert notes(date(2024, 6, 30), segments={"big": "clv > 500", "rest": "true"}) == [
        "the model was trained with other settings, which count: segments (big, rest asked, by rules other than those"
        " used)"
    ]


def test_customers_unlike_those_of_the_training_are_said(scorer):
    draw = np.random.default_rng(0)
    clv = draw.lognormal(3.0, 1.0, 4_000).round(2)
    trained = replace(scorer, model=replace(scorer.model, tiers=tier_thresholds(clv)))
    alike = pd.DataFrame({"clv": draw.lognormal(3.0, 1.0, 400).round(2)})
    assert workflows.unlike_training(alike, trained) == []
    (note,) = workflows.unlike_training(alike * 10, trained)
    assert "unlike those that the model was trained on" in note
    assert "where those were 5%, 15%, 30%, 50%" in note
    assert workflows.unlike_training(alike.head(29) * 10, trained) == []
    # Many customers are worth the same, so that more of them reached the lowest threshold than half.
    same = np.where(np.arange(4_000) < 2_800, 5.0, clv + 5.0)
    trained = replace(scorer, model=replace(scorer.model, tiers=tier_thresholds(same)))
    assert workflows.unlike_training(pd.DataFrame({"clv": same}), trained) == []
    assert len(workflows.unlike_training(pd.DataFrame({"clv": same / 10}), trained)) == 1


@pytest.fixture(scope="module")
def predictions():
    """Two folds of 400 customers: half of them spend, and how much is known up to noise."""
    draw = np.random.default_rng(0)
    customers = 400
    frames = []
    for cutoff in ("2024-01-01", "2024-03-01"):
        mean = draw.lognormal(3, 1, customers)
        stays = draw.random(customers)
        churned = (draw.random(customers) > stays).astype(int)
        spend = np.where(churned == 1, 0.0, mean * draw.lognormal(0, 0.2, customers))
        frames.append(
            pd.DataFrame(
                {
                    "cutoff": cutoff,
                    "customer_id": np.arange(customers),
                    "actual_spend": spend,
                    "churned": churned,
                    "knowing": mean * stays,
                    "knowing_churn": 1 - stays,
                    "guessing": mean.mean() * draw.random(customers),
                    "guessing_churn": draw.random(customers),
                    "low": 0.0,
                    "high": spend + np.where(np.arange(customers) % 4 == 0, -1.0, 1.0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def as_tested(predictions: pd.DataFrame, ours: str, other: str) -> Backtest:
    models = (
        ModelColumns("clvml", ours, f"{ours}_churn"),
        ModelColumns("BTYD (MBG/NBD, Gamma-Gamma)", other, f"{other}_churn"),
    )
    board = build_leaderboard(predictions, models, "clvml", 100, 0)
    return Backtest(
        predictions.assign(next_order_days=predictions.get("next_order_days", np.nan)), models, board
    )


def test_the_answer_says_better(predictions):
    assert re.fullmatch(
        r"Across 2 test dates, clvml finds the money better than every baseline; its spend error \(WAPE\) is"
        r" 0\.\d{3}, below the \d\.\d{3} of BTYD; it tells who will leave better than every baseline; the total it"
        r" expected was \d\.\d% off on average\.",
        workflows.answer(as_tested(predictions, "knowing", "guessing")),
    )


def test_the_answer_says_worse(predictions):
    assert re.fullmatch(
        r"Across 2 test dates, clvml finds the money worse than the best baseline, BTYD; its spend error"
        r" \(WAPE\) is \d\.\d{3}, above the 0\.\d{3} of BTYD; it tells who will leave worse than the best baseline,"
        r" BTYD; the total it expected was \d+\.\d% off on average\.",
        workflows.answer(as_tested(predictions, "guessing", "knowing")),
    )


def test_the_answer_claims_nothing_of_equals(predictions):
    said = workflows.answer(as_tested(predictions, "knowing", "knowing"))
    assert said.startswith(
        "Across 2 test dates, clvml finds the money about as well as the best baseline, BTYD; its spend"
        " error (WAPE) is "
    )
    assert "not clearly different from the" in said
    assert "it tells who will leave about as well as the best baseline, BTYD" in said


def test_the_answer_without_any_purchase(predictions):
    nothing = predictions[predictions["cutoff"] == "2024-01-01"].assign(actual_spend=0.0, churned=1)
    said = workflows.answer(as_tested(nothing, "knowing", "guessing"))
    assert said == (
        "Across 1 test date, clvml could not be compared, because nothing happened in the test windows."
    )


def test_standings_name_each_metric_once(predictions):
    found = workflows.standings(as_tested(predictions, "knowing", "guessing"), ["wape", "gini", "roc_auc"])
    assert list(found) == ["better", "no clear difference", "worse"]
    assert [re.sub(r"-?[\d.]+", "N", said) for said in found["better"]] == [
        "WAPE (BTYD: N)",
        "Gini (BTYD: N)",
        "AUC (BTYD: N)",
    ]
    assert found["no clear difference"] == found["worse"] == []


def test_the_headline_has_next_orders_and_the_share_of_spend_inside_the_interval(predictions):
    dated = predictions.assign(next_order_days=3.0, usual_days=9.0, actual_next_days=5.0)
    metrics = workflows.headline_metrics(as_tested(dated, "knowing", "guessing"))
    assert (metrics["next_order_error_days"], metrics["usual_gap_error_days"]) == (2.0, 4.0)
    # Every fourth customer's interval ends below what was spent.
    assert metrics["interval_coverage"] == pytest.approx(0.75)
    assert metrics["wape"] < 1


def test_a_log_too_short_for_a_fold_is_trained_untested(shop, tmp_path):
    config = parse_config(
        {
            "data": {
                "source": str(shop.log),
                "columns": {"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"},
            },
            "windows": {"horizon_days": 530},
            "model": {"n_estimators": 2},
        }
    )
    said: list[str] = []
    trained = workflows.train(workflows.prepare(config.data, NOW), config, tmp_path, said.append)
    assert trained.backtest is None
    assert trained.record.metrics == {}
    assert trained.record.verdicts == []
    assert [note for note in trained.record.notes if note.startswith("not tested out of time: ")]
    assert said[-1] == "explaining"
    assert (tmp_path / "model.json").is_file()
