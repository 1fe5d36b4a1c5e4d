"""The configuration: every mistake named, with what to do about it."""

import re
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clvml.config import PRIOR, Config, Group, assign, parse_config, read_config
from clvml.errors import InputError

SMALLEST = {
    "data": {"source": "x.csv", "columns": {"customer_id": "a", "order_date": "b", "amount": "c"}},
    "windows": {"horizon_days": 90},
}


def refused(message: str):
    """Expect an InputError with exactly this message."""
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(SMALLEST), encoding="utf-8")
    return path


def test_the_smallest_configuration_has_a_default_for_everything_else(written):
    config = read_config(written)
    assert config == parse_config(SMALLEST)
    assert config.data.columns.mapped() == {"customer_id": "a", "order_date": "b", "amount": "c"}
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_with_source_changes_nothing_else():
    config = parse_config(SMALLEST)
    moved = config.with_source("y.parquet")
    assert moved.data.source == "y.parquet"
    assert moved.with_source("x.csv") == config
    assert config.data.source == "x.csv"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "windows.horizon=5",
            "unknown key 'windows.horizon' (did you mean 'horizon_days'?); known: horizon_days, step_days,"
            " max_cutoffs, min_history_days",
        ),
        (
            "tracking.registered_model=off",
            "'tracking.registered_model' must be a valid string; currently set to False; put it in quotes",
        ),
        (
            "data.formats.order_date=2024-01-31",
            "'data.formats.order_date' must be a valid string; currently set to datetime.date(2024, 1, 31); put it in"
            " quotes",
        ),
        (
            "windows.horizon_days=yes",
            "'windows.horizon_days': must be a number, and true, false, yes and no are none; currently set to True",
        ),
        (
            "value.margins={column: kind, shares: {Toys: on}}",
            "'value.margins.shares': must be a number, and true, false, yes and no are none",
        ),
        (
            # XGBoost counts in single precision.
            "model.learning_rate=1.0e-300",
            "'model.learning_rate' must be at least 0.000001; currently set to 1e-300",
        ),
        (
            "windows.horizon_days=-5",
            "'windows.horizon_days' must be greater than 0; currently set to -5",
        ),
        (
            "windows=5",
            "'windows' must hold keys (horizon_days, step_days, max_cutoffs, min_history_days); currently set to 5",
        ),
        (
            "data.columns.custmer_id=z",
            "unknown key 'data.columns.custmer_id' (did you mean 'customer_id'?); known: customer_id, order_date,"
            " amount, order_id, product_id, quantity, currency",
        ),
        (
            "data.columns.amount=",
            "'data.columns.amount' must be a valid string; currently set to None",
        ),
        (
            "data.timezone=Europe/Londn",
            "'data.timezone': unknown time zone 'Europe/Londn' (did you mean 'Europe/London'?); currently set to"
            " 'Europe/Londn'",
        ),
        (
            "data.refunds=maybe",
            "'data.refunds' must be 'net', 'drop' or 'reject'; currently set to 'maybe'",
        ),
        (
            "value.retention_cost=.inf",
            "'value.retention_cost' must be a finite number; currently set to inf",
        ),
        ("seed=4294967296", "'seed' must be less than 4294967296; currently set to 4294967296"),
    ],
)
def test_a_wrong_value_is_named(written, assignment, message):
    whole = f"configuration '{written}' with --set has 1 problem:\n  - {message}"
    with refused(whole):
        read_config(written, [assignment])


def test_all_problems_are_told_at_once(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text("data: {columns: {customer_id: a, order_date: b, amount: c}}\nwindow: {}\n")
    whole = (
        f"configuration '{path}' has 3 problems:\n"
        "  - 'data.source' is required\n"
        "  - 'windows' is required\n"
        "  - unknown key 'window' (did you mean 'windows'?); known: data, windows, model, value, evaluation,"
        " tracking, spark, segments, seed"
    )
    with refused(whole):
        read_config(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no keys; see docs/configuration.md for an example"),
        (b"- 1\n- 2\n", "holds no keys; see docs/configuration.md for an example"),
        (
            b"a: [1\n",
            "is not valid YAML: expected ',' or ']', but got '<stream end>' at line 2, column 1; correct it",
        ),
        (
            b"a: 1\n  b: 2\n",
            "is not valid YAML: mapping values are not allowed here at line 2, column 4; correct it",
        ),
        (b"PAR1\xa0\xff", "is not UTF-8 text; give --config a YAML file"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, message):
    path = tmp_path / "shop.yaml"
    path.write_bytes(content)
    with refused(f"configuration '{path}' {message}"):
        read_config(path)


def test_a_place_that_is_no_file_is_refused(tmp_path, written):
    for path, message in (
        (tmp_path / "none.yaml", "does not exist; give --config an existing YAML file"),
        (tmp_path, "is a directory; give --config a YAML file"),
        (written / "x.yaml", "cannot be read: Not a directory; check the path"),
    ):
        with refused(f"configuration '{path}' {message}"):
            read_config(path)


def test_control_characters_are_not_yaml(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"a: \x01\n")
    with pytest.raises(InputError, match=r"^configuration '.*' is not valid YAML: [^\n]*; correct it$"):
        read_config(path)


@pytest.mark.parametrize("assignment", ["windows.horizon_days", "=5", "windows.=5", ".=5", "", "a..b=1"])
def test_an_assignment_needs_a_key_and_a_value(assignment):
    message = f"--set '{assignment}' is not of the form a.b=c, for example windows.horizon_days=90"
    with refused(message):
        assign({}, assignment)


def test_an_assignment_makes_the_sections_it_needs():
    raw = {"model": None}
    assign(raw, "model.max_depth=4")
    assign(raw, "tracking.experiment=a=b")
    assign(raw, "data.columns.order_id=")
    assert raw == {
        "model": {"max_depth": 4},
        "tracking": {"experiment": "a=b"},
        "data": {"columns": {"order_id": None}},
    }


def test_an_assignment_does_not_go_through_a_value():
    message = "--set 'seed.x=5': 'seed' holds a value, not keys; set it as a whole"
    with refused(message):
        assign({"seed": 1}, "seed.x=5")
    with pytest.raises(InputError, match=re.escape("--set 'seed=[1': the value is not valid YAML; quote it")):
        assign({}, "seed=[1")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*Config.model_fields, "columns", "source", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_but_an_input_error_comes_of_nonsense(nonsense):
    raw = nonsense if isinstance(nonsense, dict) else {"data": nonsense}
    with pytest.raises(InputError, match=r"^configuration has \d+ problems?:\n  - "):
        parse_config(raw)


def test_groups_to_leave_out_must_exist_and_leave_something():
    every = [*get_args(Group), PRIOR]
    for groups in ([], ["basket", "prior"], every[1:]):
        assert parse_config(SMALLEST | {"model": {"leave_out": groups}}).model.leave_out == groups
    for groups, message in (
        (["trends"], f"unknown group 'trends' (did you mean 'trend'?); known: {', '.join(every)}"),
        (every, "nothing is left to learn from; leave out less"),
    ):
        shown = f"{groups!r:.100}{'...' if len(repr(groups)) > 100 else ''}"
        with refused(
            f"configuration has 1 problem:\n  - 'model.leave_out': {message}; currently set to {shown}"
        ):
            parse_config(SMALLEST | {"model": {"leave_out": groups}})
    without = "model.leave_out: without data.attributes, nothing is left to learn from; leave out less"
    with refused(f"configuration has 1 problem:\n  - {without}"):
        parse_config(SMALLEST | {"model": {"leave_out": [one for one in every if one != "attributes"]}})
