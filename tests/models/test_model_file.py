"""``model.json`` from elsewhere, with its digests written anew: what it says is checked before anything uses it."""

import json
from datetime import date

import pytest

from clvml.config import parse_config
from clvml.errors import InputError
from clvml.models.btyd import BetaGeometric
from clvml.models.customer_model import CustomerModel
from clvml.models.gamma_gamma import GammaGamma
from clvml.models.intervals import SpendIntervals
from clvml.models.model_file import State, digest_of, read_state
from clvml.models.prior import Prior
from clvml.models.season import Season
from clvml.models.trees import Trees

COLUMNS = {"customer_id": "who", "order_date": "day", "amount": "sum"}
BTYD = {"params": {"r": 0.5, "alpha": 40.0, "a": 0.9, "b": 1.6}, "log_likelihood": -10.0, "n_customers": 5}
SPEND = {"params": {"p": 6.25, "q": 3.74, "v": 15.44}, "n_customers": 5}


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a model without trees."""
    prior = Prior(
        BetaGeometric.from_dict(BTYD), GammaGamma.from_dict(SPEND), 20.0, Season.flat(), date(2022, 1, 1)
    )
    config = parse_config({"data": {"source": "x.csv", "columns": COLUMNS}, "windows": {"horizon_days": 90}})
    model = CustomerModel(
        config=config,
        as_of=date(2024, 1, 1),
        columns=("order_id",),
        trees=Trees(prior, 90),
        intervals=SpendIntervals.assumed(),
        fallback={"p_churn": 0.5, "spend": 3.0},
        tiers=(50.0, 20.0, 5.0),
        thresholds={"big_spend_365d": 90.0},
        notes=("short",),
    )
    model.save(tmp_path)
    return tmp_path


def reseal(folder, place, value):
    """Set what stands at a place such as ``prior.btyd.params.r``, and write the digest anew."""
    path = folder / "model.json"
    state = json.loads(path.read_text())
    *way, last = place.split(".")
    holder = state
    for key in way:
        holder = holder[int(key) if isinstance(holder, list) else key]
    holder[int(last) if isinstance(holder, list) else last] = value
    state["digest"] = digest_of(state)
    path.write_text(json.dumps(state))


def test_a_model_that_was_not_changed_is_read(folder):
    assert CustomerModel.load(folder).tiers == (50.0, 20.0, 5.0)
    reseal(folder, "fallback.spend", 4.0)
    assert CustomerModel.load(folder).fallback["spend"] == 4.0


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("as_of", "2024-13-01", "month must be in 1..12"),
        ("as_of", 20240101, "as_of"),
        ("as_of", "2021-01-01", "its first day is after as_of"),
        ("blend", [1.0], "blend"),
        ("blend.0", -1.0, "blend.0"),
        ("blend.0", "1", "blend.0"),
        ("churn_share", 1.5, "churn_share"),
        (
            "events",
            [{"name": "events", "label": "x", "types": ["x"], "recorded_from": "2024-13-01"}],
            "month must be in 1..12",
        ),
        ("churn_share", True, "churn_share"),
        ("churn_trees", True, "it does not name all files of its trees"),
        ("columns", ["order_id; drop table"], "columns.0"),
        ("config", {"data": 1}, "data"),
        ("config", [], "config"),
        ("fallback.p_churn", 2, "fallback.p_churn"),
        ("fallback.spend", 10**400, "fallback.spend"),
        ("files", {"../../x.json": "0" * 64}, "files"),
        ("intervals.expected", [], "intervals"),
        ("intervals.expected", [1.0, 2.0], "groups, ratios and variances differ in number"),
        ("intervals.ratios.0", [1.0] * 100, "intervals.ratios.0"),
        ("intervals.ratios.0.5", -1.0, "intervals.ratios.0.5"),
        ("intervals.level", 1.0, "intervals.level"),
        ("level.tweedie", -1.0, "level.tweedie"),
        ("level.up", 1.0, "level.up"),
        ("notes", ["x" * 10_000], "notes.0"),
        ("predictors", ["days_since_last_order", "days_since_last_order"], "its predictors"),
        ("predictors", ["customer_id"], "its predictors"),
        ("prior.btyd.params.r", 0, "prior.btyd.params.r"),
        ("prior.btyd.params.alpha", 1e300, "prior.btyd.params.alpha"),
        ("prior.btyd.variant", "pareto", "prior.btyd.variant"),
        ("prior.gamma_gamma.params.q", 1.0, "prior.gamma_gamma.params.q"),
        ("prior.first_day", "", "prior.first_day"),
        ("prior.season.index", [1.0] * 364, "prior.season.index"),
        ("prior.season.index.7", 0.0, "prior.season.index.7"),
        ("spend_scale", {"tweedie": 1.0}, "spend_scale.gamma"),
        ("spend_scale", {"tweedie": 1.0, "gamma": 1.0}, "it does not name all files of its trees"),
        ("spend_scale", {"tweedie": 1.0, "gamma": 1.0, "../x": 1.0}, "spend_scale"),
        ("thresholds.other", 1.0, "thresholds.other"),
        ("tiers", [1.0, 2.0, 3.0], "the limits of its tiers are not three falling numbers"),
        ("tiers", [4.0, 3.0, 2.0, 1.0], "the limits of its tiers are not three falling numbers"),
        ("trained_days", 0, "trained_days"),
        ("trained_days", 1.5, "trained_days"),
        ("more", 1, "more"),
        ("format_version", 5, "has format 5, this clvml reads 15; train it again"),
        ("format_version", True, "has format True"),
        ("format_version", "15", "has format 15"),
    ],
)
def test_what_cannot_be_is_said(folder, place, value, said):
    reseal(folder, place, value)
    with pytest.raises(InputError) as told:
        CustomerModel.load(folder)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 700


def test_a_digest_that_is_missing_or_another_is_said(folder):
    path = folder / "model.json"
    state = json.loads(path.read_text())
    for digest in (None, "0" * 64):
        path.write_text(
            json.dumps(
                {
                    **{k: v for k, v in state.items() if k != "digest"},
                    **({"digest": digest} if digest else {}),
                }
            )
        )
        with pytest.raises(InputError, match=r"model\.json' was changed since the training wrote it"):
            read_state(folder, State)


def test_the_configuration_of_a_saved_model_holds_no_password(folder):
    model = CustomerModel.load(folder)
    model = CustomerModel(
        config=model.config.with_source("postgresql://ann:swordfish@db/shop?table=x"),
        **{
            name: getattr(model, name)
            for name in ("as_of", "columns", "trees", "intervals", "fallback", "tiers")
        },
    )
    model.save(folder)
    assert "swordfish" not in (folder / "model.json").read_text()
    assert CustomerModel.load(folder).config.data.source == "postgresql://ann:***@db/shop?table=x"
