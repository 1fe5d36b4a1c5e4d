"""The reference customer is read back as it was written, or refused; features are typical where they say something."""

import json

import numpy as np
import pandas as pd
import pytest

from clvml.customers import FEATURES
from clvml.errors import InputError
from clvml.explain import Reference, Typical
from clvml.explain.of_customers import INPUTS, check_inputs
from clvml.explain.reference import EXPLANATION, find_typical

WHOLE = Reference(
    inputs=dict.fromkeys([name for names in INPUTS.values() for name in names], 2.0),
    churn={"purchase_days": (3.0, -1)},
    value={"spend_sum": (80.5, 1)},
)


def test_what_was_saved_is_read_again(tmp_path):
    WHOLE.save(tmp_path)
    read = Reference.load(tmp_path, FEATURES, check_inputs)
    assert read == WHOLE
    assert read.typical("value") == {"spend_sum": Typical(80.5, 1)}
    Reference().save(tmp_path)
    assert Reference.load(tmp_path, FEATURES, check_inputs).inputs == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": {"purchase_days": 2.0}},
        {"inputs": {**WHOLE.inputs, "gap_mean": "often"}},
        {"churn": {"no_such_feature": [1.0, 1]}},
        {"churn": {"purchase_days": [1.0, 2]}},
        {"churn": {"purchase_days": [1e301, 1]}},
        {"more": 1},
    ],
)
def test_another_file_is_refused(tmp_path, changed):
    path = tmp_path / EXPLANATION
    path.write_text(json.dumps({**json.loads(WHOLE.model_dump_json()), **changed}))
    with pytest.raises(
        InputError, match=r"^the model in '.*' has lost its explanation \(.*\); train it again$"
    ):
        Reference.load(tmp_path, FEATURES, check_inputs)


@pytest.mark.parametrize("content", [None, b"", b"[", b"\xff", b"[" * 100_000, b'{"inputs": {"a": NaN}}'])
def test_a_damaged_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / EXPLANATION).write_bytes(content)
    with pytest.raises(InputError, match="has lost its explanation"):
        Reference.load(tmp_path, FEATURES, check_inputs)


def test_features_are_typical_whose_influence_has_a_direction():
    draw = np.random.default_rng(0)
    chosen = [f for f in FEATURES if f.name in ("purchase_days", "spend_sum", "lines_per_day", "gap_max")]
    names = [feature.name for feature in chosen]
    frame = pd.DataFrame(draw.normal(size=(400, 4)), columns=names)
    frame.loc[:99, "purchase_days"] = np.nan
    frame["gap_max"] = np.nan
    phi = np.zeros((400, 5))
    phi[:, names.index("purchase_days")] = -frame["purchase_days"].fillna(5.0)
    # One goes either way, one hardly anywhere.
    phi[:, names.index("spend_sum")] = draw.normal(size=400)
    phi[:, names.index("lines_per_day")] = 1e-4 * frame["lines_per_day"]
    found = find_typical(frame, phi, chosen)
    assert found == {"purchase_days": (pytest.approx(frame["purchase_days"].median()), -1)}


def test_a_direction_is_that_of_the_forecast_where_it_has_one():
    draw = np.random.default_rng(0)
    chosen = [f for f in FEATURES if f.name in ("purchase_days", "spend_sum", "lines_per_day")]
    names = [feature.name for feature in chosen]
    often = draw.normal(size=400)
    # Who buys often spends much: alike in spend, the often ones are likelier to leave, and all the same they are not.
    frame = pd.DataFrame({"purchase_days": often, "spend_sum": often + 0.1 * draw.normal(size=400)})
    frame["lines_per_day"] = -often
    phi = np.zeros((400, 4))
    phi[:, names.index("purchase_days")] = frame["purchase_days"]
    phi[:, names.index("spend_sum")] = -3.0 * frame["spend_sum"]
    # It has next to no influence of its own, and a reader compares it with the forecast as well.
    phi[:, names.index("lines_per_day")] = 1e-4 * draw.normal(size=400)
    found = find_typical(frame[names], phi, chosen)
    assert {name: direction for name, (_, direction) in found.items()} == {
        "purchase_days": -1,
        "spend_sum": -1,
        "lines_per_day": 1,
    }
