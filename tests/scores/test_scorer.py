"""The scored file, column by column, against docs/data-dictionary.md."""

import io
import re
import shutil
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvml import workflows
from clvml.errors import InputError
from clvml.models.customer_model import fit_customer_model
from clvml.models.outlook import HORIZONS
from clvml.scores.columns import COLUMNS
from clvml.scores.scorer import (
    REASON_COLUMNS,
    REASONS,
    RISKS,
    Scorer,
    customer_days,
)
from clvml.scores.serving import pyfunc_predict
from clvml.scores.tiers import TIERS, tier_thresholds, value_tier
from clvml.storage.files import write_table
from clvml.tracking.registry import resolve_model

NOW = datetime(2025, 1, 1, tzinfo=UTC)
AS_OF = date(2024, 7, 1)
MIDDLE = date(2024, 3, 1)
NO_HISTORY = "not enough history"
TEXTS = ("customer_id", "as_of", "churn_risk", "last_order_date", "next_order_date", "value_tier", "segment")


@pytest.fixture(scope="module")
def scorer(shop):
    found = resolve_model("champion", "clvml", shop.tracking)
    return Scorer.load(found.directory, found.version, found.run_id)


@pytest.fixture(scope="module")
def score(scorer, tmp_path_factory):
    """Return a function from order lines to their scored file."""
    path = tmp_path_factory.mktemp("scored") / "orders.csv"

    def _score(lines, as_of=AS_OF, explain="all", **columns):
        lines.to_csv(path, index=False)
        data = scorer.model.config.data
        data = data.model_copy(update={"columns": data.columns.model_copy(update=columns)})
        prepared = workflows.prepare(data, NOW, str(path), as_of)
        return workflows.score(prepared, scorer, explain).frame()

    return _score


@pytest.fixture(scope="module")
def lines(shop):
    return shop.lines


@pytest.fixture(scope="module")
def scored(score, lines):
    return score(lines)


def only(lines, *customers):
    return lines[lines["customer_id"].isin(customers)]


def test_the_columns_are_those_of_the_contract(scored):
    assert list(scored.columns) == list(COLUMNS)
    assert ",".join(COLUMNS) == (
        "customer_id,as_of,horizon_days,p_churn,churn_risk,expected_orders,expected_spend,expected_spend_low,"
        "expected_spend_high,expected_spend_30d,expected_spend_90d,expected_spend_180d,expected_spend_365d,clv,"
        "historic_spend,last_order_date,next_order_date,value_tier,segment,reason_1,reason_2,reason_3,"
        "model_version,run_id,usual_gap_days,reason_1_key,reason_1_values,reason_2_key,reason_2_values,"
        "reason_3_key,reason_3_values"
    )


def test_every_customer_of_the_input_has_one_row(scored, lines):
    assert sorted(scored["customer_id"]) == sorted(lines["customer_id"].unique())


def test_rows_are_ranked_by_value_then_by_id(scored):
    expected = scored.sort_values(["clv", "customer_id"], ascending=[False, True])
    assert scored.index.tolist() == list(range(len(scored)))
    assert expected["customer_id"].tolist() == scored["customer_id"].tolist()


def test_types_are_text_whole_numbers_and_decimals(scored):
    kinds = dict.fromkeys((*TEXTS, *REASON_COLUMNS, "model_version", "run_id"), "string")
    kinds |= {"horizon_days": "int64"}
    assert scored.dtypes.astype(str).to_dict() == {name: kinds.get(name, "float64") for name in COLUMNS}


def test_what_is_the_same_for_all(scored, shop):
    constant = scored[["as_of", "horizon_days", "model_version", "run_id"]].drop_duplicates()
    assert constant.to_numpy().tolist() == [
        ["2024-07-01", 60, shop.trained["model_version"], shop.trained["run_id"]]
    ]


def test_numbers_keep_their_promises(scored):
    once = scored["segment"].str.startswith("first buyer") | (scored["segment"] == NO_HISTORY)
    assert (scored["usual_gap_days"].isna() == once).all()
    numbers = scored.select_dtypes("number").drop(columns="usual_gap_days")
    assert np.isfinite(numbers).all(axis=None)
    # No sum of money is -0.0, which reads like a loss.
    assert not (np.signbit(numbers) & (numbers == 0)).any(axis=None)
    assert scored["p_churn"].between(0, 1).all()
    assert (scored["expected_orders"] >= 0).all()
    assert (scored["expected_spend_low"] >= 0).all()
    assert (scored["expected_spend_low"] <= scored["expected_spend"]).all()
    assert (scored["expected_spend"] <= scored["expected_spend_high"]).all()


def test_spend_never_falls_with_the_horizon(scored):
    order = ["expected_spend_30d", "expected_spend", *(f"expected_spend_{days}d" for days in HORIZONS[1:])]
    assert (scored[order].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_spend_at_the_trained_horizon_is_the_expected_spend(scorer, shop):
    config = scorer.model.config
    changes = {"horizon_days": 90, "max_cutoffs": 1}
    config = config.model_copy(update={"windows": config.windows.model_copy(update=changes)})
    days = customer_days(workflows.prepare(config.data, NOW).log)
    model = fit_customer_model(days, AS_OF, config)
    predicted = model.predict(days.features(AS_OF, 90), AS_OF)
    pd.testing.assert_series_equal(
        predicted["expected_spend_90d"], predicted["expected_spend"], check_names=False, rtol=1e-12
    )


def test_history_is_what_the_lines_say(scored, lines):
    by = scored.set_index("customer_id")
    spend = lines.groupby("customer_id")["amount"].sum().round(2)
    pd.testing.assert_series_equal(
        by["historic_spend"].sort_index(), spend, check_names=False, check_index_type=False
    )
    last = lines[lines["amount"] > 0].groupby("customer_id")["order_date"].max()
    last = last.reindex(spend.index).astype("string")
    pd.testing.assert_series_equal(
        by["last_order_date"].sort_index(), last, check_names=False, check_index_type=False
    )


def test_dates_are_iso_and_the_next_order_is_ahead(scored):
    following = scored["next_order_date"].dropna()
    assert 0 < len(following) < len(scored)
    assert following.str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert (following >= "2024-07-01").all()
    assert (following <= "2025-07-01").all()


def test_words_are_those_of_the_dictionary(scored, scorer):
    assert set(scored["churn_risk"]) <= set(RISKS)
    assert set(scored["value_tier"]) == set(TIERS)
    bands = pd.cut(scored["p_churn"], [-1, 1 / 3, 2 / 3, 2], right=False, labels=RISKS).astype("string")
    pd.testing.assert_series_equal(scored["churn_risk"], bands, check_names=False)
    # The tiers are those of the training date, which this is.
    shares = scored.loc[scored["segment"] != NO_HISTORY, "value_tier"].value_counts(normalize=True)
    assert shares["platinum"] == pytest.approx(0.05, abs=0.01)
    assert shares["bronze"] == pytest.approx(0.5, abs=0.01)


def test_reasons_come_in_order_and_are_missing_where_there_is_none(scored):
    given_reasons = scored[list(REASONS)].notna().to_numpy()
    assert (given_reasons[:, :-1] >= given_reasons[:, 1:]).all()
    assert not (scored[list(REASONS)] == "").any(axis=None)
    known = (scored["segment"] != NO_HISTORY).to_numpy()
    assert given_reasons[known, 0].mean() > 0.95


def test_a_customer_with_refunds_alone_is_there(scored):
    row = scored.set_index("customer_id").loc["only-refunds"]
    assert row["segment"] == NO_HISTORY
    assert row["historic_spend"] == -15.0
    assert row["reason_1"] == "nothing but refunds so far"
    assert row[["last_order_date", "next_order_date", *REASONS[1:]]].isna().all()


def test_a_file_of_refunds_alone_is_scored(score, lines):
    assert score(only(lines, "only-refunds"))["segment"].tolist() == [NO_HISTORY]


@pytest.mark.parametrize("explain", ["all", "none"])
def test_a_customer_alone_is_scored_like_among_others(score, lines, scored, explain):
    among = scored if explain == "all" else score(lines, explain="none")
    chosen = [*scored["customer_id"][::29], "only-refunds", "=1+1"]
    for customer in chosen if explain == "all" else chosen[:2]:
        alone = score(only(lines, customer), explain=explain)
        expected = among[among["customer_id"] == customer].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_a_customer_of_whom_training_knew_nothing_is_scored_by_history(score, lines, scored):
    twin = only(lines, "C0004").assign(customer_id="never seen")
    row = score(twin).drop(columns="customer_id")
    expected = scored[scored["customer_id"] == "C0004"].drop(columns="customer_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(row, expected, check_exact=True)


def test_nothing_at_or_after_as_of_is_used(score, lines):
    day = MIDDLE.isoformat()
    before = lines[lines["order_date"] < day]
    after = lines[lines["order_date"] >= day]
    expected = score(before, MIDDLE)
    assert sorted(expected["customer_id"]) == sorted(before["customer_id"].unique())
    newcomer = after.assign(customer_id="newcomer", order_date=day, amount=1e6)
    for future in (after, after.assign(amount=-1e6, product_id="new"), newcomer):
        found = score(pd.concat([future, before]), MIDDLE)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_lines_does_not_matter(score, lines, scored, seed):
    shuffled = lines.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(score(shuffled), scored, check_exact=True)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_same_input_gives_the_same_bytes(score, lines, scored, tmp_path, ending):
    write_table(scored, tmp_path / f"a{ending}")
    write_table(score(lines[::-1]), tmp_path / f"b{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_csv_and_parquet_hold_the_same_values(scored, tmp_path):
    write_table(scored, tmp_path / "s.csv")
    write_table(scored, tmp_path / "s.parquet")
    parquet = pd.read_parquet(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(parquet, scored, check_exact=True)
    written = pd.read_csv(tmp_path / "s.csv", dtype=scored.dtypes.to_dict())
    # Formulas are escaped in CSV only.
    ids = {"'=1+1": "=1+1", "'@x": "@x", "''=2": "'=2"}
    assert set(ids) <= set(written["customer_id"])
    assert {"-5", "007", "Zoë"} <= set(written["customer_id"])
    written["customer_id"] = written["customer_id"].replace(ids)
    pd.testing.assert_frame_equal(written, scored, check_exact=True)


def test_explain_chooses_whose_reasons_are_given(score, lines, scored):
    rest = [name for name in COLUMNS if name not in REASON_COLUMNS]
    none = score(lines, explain="none")
    assert none[list(REASON_COLUMNS)].isna().all(axis=None)
    pd.testing.assert_frame_equal(none[rest], scored[rest], check_exact=True)
    five = score(lines, explain=5)
    pd.testing.assert_frame_equal(five[rest], scored[rest], check_exact=True)
    explained = five["reason_1"].notna()
    at_risk = (scored["p_churn"] * scored["expected_spend"]).where(scored["segment"] != NO_HISTORY)
    assert set(five.index[explained]) == set(at_risk.nlargest(5).index)
    pd.testing.assert_frame_equal(five[explained], scored[explained], check_exact=True)
    pd.testing.assert_frame_equal(score(lines, explain=10_000), scored, check_exact=True)


def test_a_log_without_a_trained_column_is_refused(score, lines):
    with pytest.raises(
        InputError, match=r"^the model was trained on features that this data does not have: "
    ) as error:
        score(lines, product_id=None)
    assert "product_id" in str(error.value)


def test_a_log_without_a_line_before_as_of_is_refused(score, lines):
    with pytest.raises(InputError, match=r"^no line of '.*' can be used before 2020-01-01: "):
        score(lines, date(2020, 1, 1))


def test_a_frame_is_scored_like_a_file(scorer, lines, scored):
    frame = lines.copy()
    found = pyfunc_predict(scorer, frame, AS_OF, NOW)
    pd.testing.assert_frame_equal(found, scored, check_exact=True)
    pd.testing.assert_frame_equal(frame, lines)
    # Without a date, the day after the last order.
    assert pyfunc_predict(scorer, lines, None, NOW)["as_of"].unique().tolist() == ["2024-06-30"]


def test_a_saved_scorer_is_the_same(scorer, lines, scored, tmp_path):
    scorer.save(tmp_path)
    again = Scorer.load(tmp_path, scorer.version, scorer.run_id)
    pd.testing.assert_frame_equal(pyfunc_predict(again, lines, AS_OF, NOW), scored, check_exact=True)
    unnamed = pyfunc_predict(tmp_path, lines, AS_OF, NOW)
    assert unnamed[["model_version", "run_id"]].isna().all(axis=None)


def test_a_model_without_its_explanation_is_refused(scorer, tmp_path):
    scorer.save(tmp_path)
    explanation = tmp_path / "explanation.json"
    explanation.write_bytes(b"{")
    with pytest.raises(InputError, match=r"explanation.json' was changed since the training wrote it"):
        Scorer.load(tmp_path)
    explanation.unlink()
    with pytest.raises(
        InputError, match=r"^the model in '.*' lacks 'explanation.json' \(.*\); give the whole folder"
    ):
        Scorer.load(tmp_path)
    # Named nowhere, as if the model had been saved without.
    scorer.model.save(tmp_path)
    with pytest.raises(
        InputError, match=r"^the model in '.*' has lost its explanation \(.*\); train it again$"
    ):
        Scorer.load(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(InputError, match=f"^'{re.escape(str(tmp_path))}' holds no clvml model"):
        Scorer.load(tmp_path)


def test_a_log_worked_out_by_hand(score):
    """Golden: what can be said of seven customers without any model."""
    log = pd.read_csv(
        io.StringIO(
            "customer_id,order_date,amount,order_id,product_id\n"
            "anna,2024-01-10,10.10,1,a\n"
            "anna,2024-01-10,20.20,1,b\n"
            "anna,2024-05-10,5.00,2,a\n"
            "ben,2024-06-30,100.00,3,a\n"  # the last day that counts
            "ben,2024-07-01,900.00,4,a\n"  # the first that does not
            "cleo,2022-01-01,40.00,5,a\n"
            "cleo,2024-06-01,-40.00,6,a\n"  # a refund is not an order
            "dora,2024-06-15,-7.50,7,b\n"
            "ed,2024-06-20,0.00,8,b\n"  # nor is a free item
            "flo,2024-07-01,50.00,9,b\n"
            "gus,2024-06-01,0.001,10,b\n"  # a total that rounds to zero is not -0.0
            "gus,2024-06-02,-0.003,10,b\n"
        )
    )
    found = score(log).set_index("customer_id").sort_index()
    assert found.index.tolist() == ["anna", "ben", "cleo", "dora", "ed", "gus"]
    assert found["historic_spend"].tolist() == [35.3, 100.0, 0.0, -7.5, 0.0, 0.0]
    assert not np.signbit(found.loc["gus", "historic_spend"])
    assert found["last_order_date"].fillna("").tolist() == [
        "2024-05-10",
        "2024-06-30",
        "2022-01-01",
        "",
        "",
        "2024-06-01",
    ]
    assert found.loc[["dora", "ed"], "segment"].tolist() == [NO_HISTORY, NO_HISTORY]
    assert found.loc["cleo", "segment"] == "first buyer to win back"
    assert found.loc["ben", "segment"].startswith("first buyer to ")
    assert found.loc["ben", "p_churn"] < found.loc["cleo", "p_churn"]
    assert found["reason_1"].notna().all()
    assert found.loc[["dora", "ed"], "reason_1"].tolist() == [
        "nothing but refunds so far",
        "nothing but free items so far",
    ]


def test_tiers_hold_their_shares():
    clv = np.arange(1000.0)
    tiers = pd.Series(value_tier(clv, tier_thresholds(clv)))
    assert tiers.value_counts().to_dict() == {"platinum": 50, "gold": 150, "silver": 300, "bronze": 500}
    assert tiers.iloc[-1] == "platinum"


def test_without_thresholds_nobody_has_a_tier():
    assert value_tier(np.array([9.0, 0.0]), ()).tolist() == [None, None]


def test_dates_far_ahead_do_no_harm(score, lines):
    far = score(lines, date(9999, 12, 31) - timedelta(days=1))
    assert far.loc[far["segment"] != NO_HISTORY, "p_churn"].min() > 0.99
    assert far["next_order_date"].isna().all()
