"""Logs that take more than three columns to read: each is logged, and served as `clvml score` scores it."""

import io
import json
import shutil
from contextlib import redirect_stdout
from datetime import UTC, date, datetime

import duckdb
import mlflow
import pandas as pd
import pytest

from clvml import CustomerModel, read_log, workflows
from clvml.config import parse_config
from clvml.errors import InputError
from clvml.scores.scorer import Scorer
from clvml.scores.serving import pyfunc_predict
from clvml.tracking.registry import resolve_model
from clvml.tracking.session import open_store
from clvml.workflows import training

NOW, AS_OF = datetime(2025, 1, 1, tzinfo=UTC), date(2024, 7, 1)
COMMON = {
    "windows": {"horizon_days": 60},
    "model": {"n_estimators": 10},
    "evaluation": {"folds": 1, "bootstrap_samples": 100},
}


@pytest.fixture(scope="module")
def lines(shop):
    """Return the shop's lines as an export with quantities, costs and tests that are not orders."""
    lines = shop.lines.rename(columns={"customer_id": "Client", "order_date": "Day"})
    dear = lines["Client"].map(lambda name: sum(map(ord, name)) % 2 == 0)
    lines["Units"] = 2
    lines["Price"] = (lines["amount"] / 2).round(4)
    lines["Unit cost"] = (lines["Price"] * dear.map({True: 0.9, False: 0.2})).round(4)
    lines["Status"] = ["test" if place % 50 == 0 else "paid" for place in range(len(lines))]
    return lines.drop(columns="amount").astype(
        {"Client": str, "Day": str, "Units": float, "order_id": str, "product_id": str}
    )


@pytest.fixture(autouse=True)
def _no_pictures_and_no_report(monkeypatch):
    """Leave out what takes half of the time and is of no interest here: test, pictures, report."""

    def not_tested(*asked, **more):
        raise InputError("not here")

    monkeypatch.setattr(training, "predict_folds", not_tested)
    monkeypatch.setattr(training, "draw_pictures", lambda *told: {})
    monkeypatch.setattr(training, "page_of", lambda scored: "")


def _trained(tmp_path, empty_store, data, value=None):
    """Train as `clvml train` does; return the configuration and the address of the store."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    config = parse_config(COMMON | {"data": data} | ({"value": value} if value else {}))
    with duckdb.connect() as connection, redirect_stdout(io.StringIO()):
        done = workflows.train_and_log(config, uri, NOW, connection)
    assert done.logged is not None, done.reason
    assert not [note for note in done.notes if "example" in note]
    return config, uri, done


def _served(uri, done, frame):
    with open_store(uri):
        model = mlflow.pyfunc.load_model(done.logged.model_uri)
        return model.predict(frame, params={"as_of": AS_OF.isoformat()})


def _scored(config, uri):
    scorer = Scorer.load(resolve_model("champion", "clvml", uri).directory)
    prepared = workflows.prepare(config.data, NOW, as_of=AS_OF)
    return scorer, workflows.score(prepared, scorer).frame()


def _same(found, scores):
    told = ["customer_id", "clv", "value_tier", "p_churn", "expected_spend", "segment"]
    pd.testing.assert_frame_equal(
        found[told].astype({"customer_id": str}), scores[told], check_dtype=False, check_exact=True
    )


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_own_margins_are_the_same_by_command_from_python_and_served(lines, tmp_path, empty_store):
    value = {"cost": 'Units * "Unit cost"'}
    log = tmp_path / "export.csv"
    lines.to_csv(log, index=False)
    columns = {
        "customer_id": "Client",
        "order_date": "Day",
        "amount": "Units * Price",
        "order_id": "order_id",
        "product_id": "product_id",
        "quantity": "Units",
    }
    data = {"source": str(log), "columns": columns, "where": "Status <> 'test'"}
    config, uri, done = _trained(tmp_path, empty_store, data, value)
    scorer, scores = _scored(config, uri)
    one = workflows.prepare(config.data, NOW, as_of=AS_OF)
    usual = Scorer.score(scorer, workflows.days_of(one.log), AS_OF, "none")
    assert not usual.set_index("customer_id")["clv"].equals(scores.set_index("customer_id")["clv"])
    _same(_served(uri, done, lines), scores)
    _same(pyfunc_predict(scorer, lines, AS_OF, NOW), scores)
    # From Python: read, fitted and scored by itself.
    read = read_log(lines, columns=columns, where="Status <> 'test'")
    keys = {name: COMMON[name] for name in ("model", "evaluation")}
    model = CustomerModel(60, value=value, seed=config.seed, **keys).fit(read)
    _same(model.score(read, as_of=AS_OF), scores)


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_a_preset_is_served_its_own_export(lines, tmp_path, empty_store):
    log = tmp_path / "orders.csv"
    orders = pd.DataFrame(
        {
            "Name": lines["order_id"],
            "Email": lines["Client"] + "@example.com",
            "Financial Status": "paid",
            "Created at": lines["Day"] + " 10:00:00 +0100",
            "Currency": "EUR",
            "Total": lines["Price"].abs(),
            "Refunded Amount": 0.0,
            "Lineitem quantity": 1.0,
            "Lineitem sku": lines["product_id"],
        }
    )
    orders.to_csv(log, index=False)
    config, uri, done = _trained(tmp_path, empty_store, {"source": str(log), "preset": "shopify"})
    _same(_served(uri, done, orders), _scored(config, uri)[1])


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
@pytest.mark.parametrize(
    ("preset", "called"),
    [
        ("woocommerce", ("Order ID", "Order Date", "Order Status", "Billing Email", "Order Total")),
        # An export that does not say what was paid back.
        ("magento", ("ID", "Purchase Date", "Status", "Customer Email", "Grand Total (Base)")),
    ],
)
def test_another_version_of_an_export_with_decimal_commas_is_served_numbers(
    lines, tmp_path, empty_store, preset, called
):
    orders = lines[["order_id", "Day", "Status", "Client", "Price", "Unit cost"]].set_axis(
        [*called, "EK"], axis="columns"
    )
    orders[called[2]] = orders[called[2]].map({"paid": "processing", "test": "cancelled"})
    log = tmp_path / "orders.csv"
    orders.to_csv(log, index=False, sep=";", decimal=",")
    data = {"source": str(log), "preset": preset}
    config, uri, done = _trained(tmp_path, empty_store, data, {"cost": "EK"})
    _same(_served(uri, done, orders), _scored(config, uri)[1])


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_several_sources_are_served_under_our_names(lines, tmp_path, empty_store):
    sources = {}
    for number, part in enumerate((lines[::2], lines[1::2])):
        log = tmp_path / f"{number}.csv"
        part.rename(columns={"Client": f"Client {number}"}).to_csv(log, index=False)
        columns = {"customer_id": f"Client {number}", "order_date": "Day", "amount": "Price"}
        sources[f"shop{number}"] = {"source": str(log), "columns": columns}
    config, uri, done = _trained(tmp_path, empty_store, {"sources": sources})
    joined = lines.rename(columns={"Client": "customer_id", "Day": "order_date", "Price": "amount"})
    _same(_served(uri, done, joined), _scored(config, uri)[1])


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow", "ignore::FutureWarning:mlflow")
def test_events_and_attributes_are_served_beside_purchases_and_in_a_feature_table(
    lines, tmp_path, empty_store
):
    # Tables beside a log lose an apostrophe that a spreadsheet needs; ids that begin with one find nothing there.
    lines = lines[~lines["Client"].str.startswith("'")]
    log = tmp_path / "export.csv"
    lines.to_csv(log, index=False)
    who = lines["Client"].drop_duplicates().reset_index(drop=True)
    who.to_frame().assign(channel=["web" if n % 3 else "store" for n in who.index]).to_csv(
        tmp_path / "customers.csv", index=False
    )
    # The purchases have a column of the name of the events' date.
    tickets = lines[::5][["Client", "Day"]].assign(subject="late")
    tickets.to_csv(tmp_path / "tickets.csv", index=False)
    data = {
        "source": str(log),
        "columns": {"customer_id": "Client", "order_date": "Day", "amount": "Price"},
        "attributes": {"source": str(tmp_path / "customers.csv")},
        "events": {"source": str(tmp_path / "tickets.csv"), "date": "Day", "type": "subject"},
    }
    config, uri, done = _trained(tmp_path, empty_store, data)
    scorer, scores = _scored(config, uri)
    assert {"attribute_channel", "event_late_90d"} <= set(scorer.model.trees.predictors)
    with open_store(uri):
        info = mlflow.models.get_model_info(done.logged.model_uri)
    types = {one.name: one.type.name for one in info.signature.inputs}
    assert (types["attribute_channel"], types["event_late_days_since"]) == ("string", "double")
    assert (types["event_Day"], types["subject"]) == ("string", "string")
    assert info.saved_input_example_info is not None
    with open_store(uri):
        example = mlflow.pyfunc.load_model(done.logged.model_uri).input_example
    assert example["event_Day"].ne("").any()
    assert example["Day"].ne("").sum() + example["event_Day"].ne("").sum() == len(example)
    channels = pd.read_csv(tmp_path / "customers.csv").set_index("Client")["channel"]
    beside = pd.concat(
        [lines.assign(channel=lines["Client"].map(channels)), tickets.rename(columns={"Day": "event_Day"})]
    )
    _same(_served(uri, done, beside), scores)
    # As `mlflow models serve` reads what it is sent.
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    sent = {"dataframe_split": json.loads(beside.to_json(orient="split", index=False))}
    _same(_served(uri, done, infer_and_parse_data(sent, info.signature.inputs)), scores)
    prepared = workflows.prepare(config.data, NOW, as_of=AS_OF)
    features = workflows.days_of(prepared.log).counting(scorer.model.trees.events).features(AS_OF, 60)
    features["attribute_channel"] = features["attribute_channel"].astype(str)
    found = _served(uri, done, features.drop(columns="cutoff")).set_index("customer_id")
    _same(found.loc[scores["customer_id"]].reset_index(), scores)
