"""Each customer's own margin, from costs or categories, and what it does to their value."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from clvml import CustomerModel, read_log, workflows
from clvml.config import DataConfig, ValueConfig, parse_config
from clvml.errors import InputError
from clvml.scores.customer_margin import customer_margins
from clvml.scores.scorer import Scorer

NOW, AS_OF = datetime(2025, 1, 1, tzinfo=UTC), date(2024, 2, 1)
LINES = pd.DataFrame(
    [
        ("a", "2024-01-05", 100.0, "Toys", "60"),
        ("a", "2024-01-06", -20.0, "Toys", "-12"),
        ("b", "2024-01-07", 100.0, "Books", "90"),
        ("b", "2024-01-08", 50.0, "Books", None),
        ("c", "2024-01-09", 20.0, "Cards", "5"),
        ("c", "2024-03-09", 900.0, "Toys", "900"),
    ],
    columns=["customer_id", "order_date", "amount", "category", "unit cost"],
)
DATA = DataConfig(
    source="frame",
    columns={"customer_id": "customer_id", "order_date": "order_date", "amount": "amount"},
)


def drawn(spend, earned):
    total, average = sum(spend.values()), sum(spend.values()) / len(spend)
    overall = sum(earned.values()) / total
    return {
        name: pytest.approx((earned[name] + overall * average) / (spend[name] + average)) for name in spend
    }


def test_margin_from_a_cost_column_counts_lines_whose_cost_is_known():
    found = customer_margins(ValueConfig(cost="unit cost"), DATA, LINES, NOW, AS_OF)
    spend, cost = {"a": 80.0, "b": 100.0, "c": 20.0}, {"a": 48.0, "b": 90.0, "c": 5.0}
    assert found.to_dict() == drawn(spend, {name: spend[name] - cost[name] for name in spend})
    same = customer_margins(ValueConfig(cost='"unit cost" * 1'), DATA, LINES, NOW, AS_OF)
    assert same.to_dict() == pytest.approx(found.to_dict())


def test_margin_by_category_and_that_of_all_for_the_others():
    value = ValueConfig(margin=0.3, margins={"column": "category", "shares": {"Toys": 0.5, "Books": 0.1}})
    found = customer_margins(value, DATA, LINES, NOW, AS_OF)
    assert found.to_dict() == drawn({"a": 80.0, "b": 150.0, "c": 20.0}, {"a": 40.0, "b": 15.0, "c": 6.0})


def test_margins_of_several_sources_are_those_of_all_lines(tmp_path):
    """Each source names its columns itself; the cost stands in a column of the same name."""
    LINES[:3].to_csv(tmp_path / "shop.csv", index=False)
    LINES[3:].rename(columns={"customer_id": "who"}).to_csv(tmp_path / "till.csv", index=False)
    columns = DATA.columns.model_dump(exclude_none=True)
    sources = {
        "shop": {"source": str(tmp_path / "shop.csv")},
        "till": {"source": str(tmp_path / "till.csv"), "columns": {**columns, "customer_id": "who"}},
    }
    several = DataConfig.model_validate({"columns": columns, "sources": sources})
    shares = {"Toys": 0.5, "Books": 0.1}
    for value in (
        ValueConfig(cost="unit cost"),
        ValueConfig(margin=0.3, margins={"column": "category", "shares": shares}),
    ):
        alone = customer_margins(value, DATA, LINES, NOW, AS_OF)
        found = customer_margins(value, several, None, NOW, AS_OF)
        assert found.to_dict() == pytest.approx(alone.to_dict())


@pytest.mark.parametrize(
    "keys",
    [
        {"cost": '"unit cost" * 1'},
        {"cost": "unit cost"},
        {"margin": 0.3, "margins": {"column": "category", "shares": {"Toys": 0.5, "Books": 0.1}}},
        {"margin": 0.3, "margins": {"column": "Art", "shares": {"Toys": 0.5, "Books": 0.1}}},
    ],
)
def test_a_log_that_is_kept_has_the_margins(tmp_path, keys):
    """Under our names, in the currency of the log; the configuration stays that of the sources."""
    lines = LINES.assign(Art=LINES["category"], currency=["USD", "USD", *["EUR"] * 4])
    lines.loc[:1, ["amount", "unit cost"]] = [[200.0, "120"], [-40.0, "-24"]]
    lines.to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "rates.csv").write_text("date,from,to,rate\n2024-01-01,USD,EUR,0.5\n")
    columns = {**DATA.columns.model_dump(exclude_none=True), "currency": "currency"}
    data = DataConfig.model_validate(
        {
            "columns": columns,
            "currency": "EUR",
            "rates": str(tmp_path / "rates.csv"),
            "sources": {"shop": {"source": str(tmp_path / "shop.csv")}},
        }
    )
    value = ValueConfig.model_validate(keys)
    alone = customer_margins(value, DATA, LINES.assign(Art=LINES["category"]), NOW, AS_OF)
    assert customer_margins(value, data, None, NOW, AS_OF).to_dict() == pytest.approx(alone.to_dict())
    workflows.prepare(data, NOW, value=value).log.write(tmp_path / "log.parquet")
    kept = workflows.prepare(data, NOW, str(tmp_path / "log.parquet")).margins(value, AS_OF)
    assert kept.to_dict() == pytest.approx(alone.to_dict())
    name = "cost" if value.cost else "category"
    assert name in pd.read_parquet(tmp_path / "log.parquet")
    workflows.prepare(data, NOW).log.write(tmp_path / "plain.parquet")
    assert name not in pd.read_parquet(tmp_path / "plain.parquet")


@pytest.mark.parametrize(
    ("mapped", "keys", "told"),
    [
        ({"amount": "price * amount"}, {"cost": "amount * 4"}, [12.0, 8.0]),
        (
            {"product_id": "sku"},
            {"margins": {"column": "product_id", "shares": {"hats": 0.5}}},
            ["shoes", "hats"],
        ),
        ({"order_id": "no", "amount_per": "order"}, {"cost": "amount * 4"}, [12.0, 8.0]),
    ],
)
def test_a_kept_log_tells_margins_of_the_file_that_was_read(tmp_path, mapped, keys, told):
    """Names that both files have mean something else in each."""
    head = "customer_id,order_date,amount,price,product_id,sku,no"
    (tmp_path / "shop.csv").write_text(f"{head}\na,2024-01-05,3,10,shoes,S1,7\na,2024-01-05,2,10,hats,S2,7\n")
    columns = {**DATA.columns.model_dump(exclude_none=True), **mapped}
    own = {"source": str(tmp_path / "shop.csv"), "amount_per": columns.pop("amount_per", "line")}
    data = DataConfig.model_validate({"columns": columns, "sources": {"shop": own}})
    value = ValueConfig.model_validate(keys)
    raw = workflows.prepare(data, NOW, value=value).log
    raw.write(tmp_path / "log.parquet")
    kept = workflows.prepare(data, NOW, str(tmp_path / "log.parquet"), value=value).log
    name = "cost" if value.cost else "category"
    for log in (raw, kept):
        assert log.frame(f"select {name} from {log.table} order by rowid")[name].tolist() == told


def test_one_margin_for_all_reads_nothing():
    assert customer_margins(ValueConfig(), DATA, "not there.csv", NOW, AS_OF) is None


ORDERS = """Name,Email,Financial Status,Total,Refunded Amount,Currency,Created at,Lineitem quantity,Lineitem sku,{cost}
#1,ann@x,paid,100.00,20.00,EUR,2024-01-05 10:00:00 +0100,2,A,10.00
#1,ann@x,,,,,2024-01-05 10:00:00 +0100,1,B,15.00
#1,ann@x,,,,,2024-01-05 10:00:00 +0100,3,C,5.00
#2,ben@x,paid,60.00,0.00,EUR,2024-01-06 10:00:00 +0100,1,A,10.00
#3,ben@x,paid,40.00,0.00,EUR,2024-01-07 10:00:00 +0100,1,A,10.00
#3,ben@x,,,,,2024-01-07 10:00:00 +0100,1,D,
#4,cat@x,voided,50.00,0.00,EUR,2024-01-08 10:00:00 +0100,1,A,10.00
#4,cat@x,,,,,2024-01-08 10:00:00 +0100,1,B,15.00
"""


def test_costs_of_all_lines_count_where_money_counts_once_per_order(tmp_path):
    """An order of which the cost of a line is not known does not count, and neither does one that is left out."""
    (tmp_path / "shop.csv").write_text(ORDERS.format(cost="Cost per item"))
    data = DataConfig.model_validate({"source": str(tmp_path / "shop.csv"), "preset": "shopify"})
    value = ValueConfig(cost='"Cost per item" * "Lineitem quantity"')
    found = customer_margins(value, data, None, NOW, AS_OF)
    assert found.to_dict() == drawn({"ann@x": 80.0, "ben@x": 60.0}, {"ann@x": 30.0, "ben@x": 50.0})


def test_margins_by_category_need_the_money_of_lines():
    once = DATA.model_copy(update={"amount_per": "order"})
    margins = {"column": "category", "shares": {"Toys": 0.5}}
    with pytest.raises(InputError, match=r"^value\.margins .*amount_per is order"):
        customer_margins(ValueConfig(margins=margins), once, LINES, NOW, AS_OF)


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"^value\.cost names a column 'cots' that is not there"):
        customer_margins(ValueConfig(cost="cots"), DATA, LINES, NOW, AS_OF)
    margins = {"column": "knid", "shares": {"x": 0.1}}
    with pytest.raises(InputError, match=r"^value\.margins\.column: .*knid"):
        customer_margins(ValueConfig(margins=margins), DATA, LINES, NOW, AS_OF)
    both = {"cost": "a", "margins": {"column": "b", "shares": {"x": 0.1}}}
    config = {"data": DATA.model_dump(), "windows": {"horizon_days": 30}, "value": both}
    with pytest.raises(InputError, match="give one of them"):
        parse_config(config)


def test_segments_may_ask_where_customers_came_from(shop):
    scorer = Scorer.load(_directory(shop))
    rules = {"fair": "acquisition_source = 'fair'", "the rest": "true"}
    config = scorer.model.config.model_copy(update={"segments": rules})
    scorer = replace(scorer, model=replace(scorer.model, config=config))
    prepared = workflows.prepare(config.data, NOW, str(shop.log), date(2024, 7, 1))
    acquired = pd.Series({"C0001": "fair", "C0002": "ads", "C0003": "fair"})
    found = workflows.score(prepared, scorer, "none", acquired=acquired).frame().set_index("customer_id")
    assert set(found.index[found["segment"] == "fair"]) == {"C0001", "C0003"}
    assert found["acquisition_source"].dropna().to_dict() == acquired.to_dict()
    with pytest.raises(InputError, match="names acquisition_source; say where"):
        workflows.score(prepared, scorer, "none")


def test_own_margins_go_into_the_scores(shop, tmp_path):
    """Of twice the margin, a customer is worth twice as much; whose margin is not known counts as before."""
    scorer = Scorer.load(_directory(shop))
    prepared = workflows.prepare(scorer.model.config.data, NOW, str(shop.log), date(2024, 7, 1))
    usual = workflows.score(prepared, scorer, "none").frame()
    base = scorer.model.config.value.margin
    who = usual["customer_id"].iloc[:5].tolist()
    own = pd.Series(2 * base, index=who)
    read = replace(prepared, margins=lambda value, as_of: own)
    found = workflows.score(read, scorer, "none").frame()
    before, after = (frame.set_index("customer_id")["clv"] for frame in (usual, found))
    assert after[who].tolist() == pytest.approx((2 * before[who]).tolist(), abs=0.011)
    others = before.index.difference(who)
    assert after[others].tolist() == before[others].tolist()


@pytest.mark.parametrize(
    ("trained", "asked", "read"),
    [
        ({"cost": "EK"}, {"cost": "Cost"}, {"cost": "Cost"}),
        ({"cost": "EK"}, {}, {"cost": "EK"}),
        ({}, {"cost": "Cost"}, {}),
        (
            {"margins": {"column": "Art", "shares": {"a": 0.5}}},
            {"margins": {"column": "kind", "shares": {"a": 0.9}}, "margin": 0.8},
            {"margins": {"column": "kind", "shares": {"a": 0.5}}},
        ),
    ],
)
def test_own_margins_are_read_from_the_columns_of_the_log_that_is_scored(shop, trained, asked, read):
    """What the columns are called is the log's; what is earned is the model's."""
    scorer = Scorer.load(_directory(shop))
    config = scorer.model.config.model_copy(update={"value": ValueConfig.model_validate(trained)})
    scorer = replace(scorer, model=replace(scorer.model, config=config))
    prepared = workflows.prepare(config.data, NOW, str(shop.log), date(2024, 7, 1))
    told = []
    counting = replace(prepared, margins=lambda value, as_of: told.append(value))
    value = ValueConfig.model_validate(asked)
    workflows.score(counting, scorer, "none", value=value)
    assert told == [ValueConfig.model_validate(read)]
    settings = config.model_copy(update={"value": value})
    notes = " ".join(workflows.scoring_notes(prepared, scorer, settings))
    assert ("value.cost" in notes) == (asked.get("cost") != read.get("cost"))
    assert ("value.margins" in notes) == ("margins" in asked)


def test_own_margins_count_from_python_and_in_tiers(shop):
    """Half of the customers earn eight times what the others do."""
    lines = pd.read_csv(shop.log, dtype={"customer_id": str})
    dear = lines["customer_id"].map(lambda name: sum(map(ord, name)) % 2 == 0)
    log = read_log(lines.assign(cost=lines["amount"] * dear.map({True: 0.9, False: 0.2})))
    value = {"cost": "cost"}
    model = CustomerModel(horizon_days=60, value=value).fit(log)
    scores = model.score(log, explain="none").set_index("customer_id")
    usual = CustomerModel(horizon_days=60).fit(log).score(log, explain="none").set_index("customer_id")
    own = log.prepared.margins(ValueConfig(**value), log.as_of)
    expected = (usual["clv"] * own / ValueConfig().margin).reindex(scores.index)
    assert scores["clv"].tolist() == pytest.approx(expected.tolist(), abs=0.05)
    assert (scores["value_tier"] == "platinum").mean() == pytest.approx(0.05, abs=0.01)


def _directory(shop):
    from clvml.tracking.registry import resolve_model

    return resolve_model("champion", "clvml", shop.tracking).directory
