"""Bad data and bad configurations: one message says what, where and how to mend it; nothing is left behind."""

import pytest
from tests.cli.conftest import HEADER, write


def test_data_that_is_not_there(fails, shopping, tmp_path):
    message = f"'none.csv' does not exist; check the path and the current folder ('{tmp_path}')"
    assert fails("check", "none.csv") == message
    assert fails("check", "none.csv", "--json") == message
    assert fails("score", "none.csv", "-o", "s.csv", "--json") == message
    assert fails("train", "-c", shopping.config, "--data", "none.csv", "--json") == message
    assert fails("backtest", "-c", shopping.config, "--data", "none.csv", "--json") == message
    # data.source of the configuration.
    assert fails("train", "-c", shopping.config).startswith("'last-year.csv' does not exist; ")
    assert (
        fails("check", "none*.csv") == "no file matches 'none*.csv'; check the pattern and the current folder"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "'log.csv' is empty; it needs a header line with column names and at least one data line"),
        (HEADER, "'log.csv' has a header and no data line; export it again"),
        (
            HEADER + "a,2024-01-05,x1.50,1,p\nb,2024-01-06,free,2,p\n",
            "column 'amount' (amount) of 'log.csv' holds no number that can be read, for example 'x1.50' (1 line, the"
            " first line 2), 'free' (1 line, the first line 3); name another column in data.columns.amount, or their"
            ' format in data.formats (such as {amount: "1.234,56"})',
        ),
        (
            HEADER + "a,2999-01-05,10,1,p\nb,2999-01-06,10,2,p\n",
            "no line of 'log.csv' can be used: 2 read, left out for date in the future (2); check data.columns,"
            " data.timezone and the as-of date against the file",
        ),
    ],
    ids=["empty", "header only", "text amounts", "future dates"],
)
def test_data_without_content(fails, shopping, tmp_path, content, message):
    write(tmp_path / "log.csv", content)
    assert fails("check", "log.csv") == message
    assert fails("check", "log.csv", "--config", shopping.config, "--json") == message
    assert fails("score", "log.csv", "--output", "s.csv") == message
    assert fails("train", "--config", shopping.config, "--data", "log.csv") == message


def test_columns_by_other_names(fails, run, shopping, tmp_path):
    renamed = shopping.lines.set_axis(["Customer No", "Date", "Invoice", "Total", "SKU"], axis="columns")
    renamed.to_csv(tmp_path / "log.csv", index=False)
    message = (
        "'log.csv' has no column for customer_id: customer_id, order_date: order_date, amount: amount, order_id:"
        " order_id, product_id: product_id (data.columns). Its columns: Customer No, Date, Invoice, Total, SKU. Did"
        " you mean columns: {customer_id: Customer No, order_date: Date, amount: Total, order_id: Invoice, product_id:"
        " SKU}?"
    )
    assert fails("score", "log.csv", "-o", "s.csv") == message
    assert fails("train", "-c", shopping.config, "--data", "log.csv") == message
    assert run("check", "log.csv")[0] == 0


def test_a_log_without_a_trained_column(fails, shopping, tmp_path):
    shopping.lines.drop(columns="product_id").to_csv(tmp_path / "log.csv", index=False)
    assert fails("score", "log.csv", "-o", "s.csv").startswith(
        "'log.csv' has no column for product_id: product_id (data.columns). Its columns: "
    )
    assert fails("score", "log.csv", "-o", "s.csv", "--set", "data.columns.product_id=").startswith(
        "the model was trained on features that this data does not have: "
    )


def test_a_directory_of_unlike_files(fails, shopping, tmp_path):
    (tmp_path / "logs").mkdir()
    write(tmp_path / "logs" / "a.csv", HEADER)
    write(tmp_path / "logs" / "b.csv", "customer_id,order_date,total\n")
    for command in (("check", "logs"), ("score", "logs", "-o", "s.csv")):
        assert "which other files of the same source have; give files that all have" in fails(*command)


def test_half_a_parquet_file(fails, shopping, tmp_path):
    shopping.lines.to_parquet(tmp_path / "log.parquet")
    whole = (tmp_path / "log.parquet").read_bytes()
    (tmp_path / "log.parquet").write_bytes(whole[: len(whole) // 2])
    message = fails("check", "log.parquet")
    assert message.startswith(
        "'log.parquet' cannot be read; it may be cut off or of another kind: export it again ("
    )
    assert fails("score", "log.parquet", "-o", "s.csv") == message


def test_too_few_days_or_purchases(fails, shopping, tmp_path):
    shop, lines = shopping, shopping.lines
    lines[lines["order_date"] >= "2024-04-11"].to_csv(tmp_path / "short.csv", index=False)
    lines[lines["customer_id"] == "only-refunds"].to_csv(tmp_path / "none.csv", index=False)
    assert fails("backtest", "-c", shop.config, "--data", "short.csv").startswith(
        "80 days of history before 2024-06-30 are too short to test a horizon of 60 days out of time: 88 are needed; "
    )
    none = "no purchase of positive amount before 2024-06-30; choose a later date or more data"
    assert fails("train", "-c", shop.config, "--data", "none.csv", "--json") == none
    assert "no purchase of positive amount" in fails("backtest", "-c", shop.config, "--data", "none.csv")


# Bad configurations


def test_configurations(fails, shop, tmp_path):
    asked = "no configuration given; add --config FILE (`clvml check DATA` proposes one for a file of yours)"
    assert fails("train") == fails("backtest") == asked
    assert fails("train", "-c", "none.yaml") == (
        "configuration 'none.yaml' does not exist; give --config an existing YAML file"
    )
    assert fails("train", "-c", tmp_path) == (
        f"configuration '{tmp_path}' is a directory; give --config a YAML file"
    )
    write(tmp_path / "list.yaml", "- 1\n")
    assert fails("backtest", "-c", "list.yaml") == (
        "configuration 'list.yaml' holds no keys; see docs/configuration.md for an example"
    )
    write(tmp_path / "broken.yaml", "data: [1\n")
    assert fails("check", shop.log, "-c", "broken.yaml").startswith(
        "configuration 'broken.yaml' is not valid YAML: "
    )
    write(tmp_path / "unknown.yaml", shop.config.read_text().replace("horizon_days", "horizn_days"))
    assert fails("score", shop.log, "-o", "s.csv", "-c", "unknown.yaml") == (
        "configuration 'unknown.yaml' has 2 problems:\n"
        "  - 'windows.horizon_days' is required\n"
        "  - unknown key 'windows.horizn_days' (did you mean 'horizon_days'?); known: horizon_days, step_days,"
        " max_cutoffs, min_history_days"
    )


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "windows.horizon_days=-5",
            "'windows.horizon_days' must be greater than 0; currently set to -5",
        ),
        ("windows.horizon_days", "--set 'windows.horizon_days' is not of the form a.b=c"),
        ("windows.horizon=9", "unknown key 'windows.horizon' (did you mean 'horizon_days'?)"),
    ],
)
def test_assignments(fails, shopping, assignment, message):
    assert message in fails("train", "-c", shopping.config, "--set", assignment)
    assert message in fails("check", shopping.log, "--set", assignment)
    assert message in fails("score", shopping.log, "-o", "s.csv", "--set", assignment)
