"""One purchase log, spelled as in four countries: the same scored file, byte by byte."""

import json
from datetime import date

import pandas as pd
import pytest

from clvml.cli import main


def _german(row):
    return [f"{row.order_date:%d.%m.%Y}", f"{row.amount:,.2f} €".translate(str.maketrans(",.", ".,"))]


def _french(row):
    amount = f"{abs(row.amount):,.2f}".replace(",", "\u202f").replace(".", ",")
    return [f"{row.order_date:%d/%m/%y}", f"\u2212{amount}" if row.amount < 0 else amount]


def _swiss(row):
    amount = f"CHF {abs(row.amount):,.2f}".replace(",", "\u2019")
    return [
        f"{row.order_date.day}. {row.order_date.month}. {row.order_date.year}",
        amount + "-" * (row.amount < 0),
    ]


def _american(row):
    amount = f"${abs(row.amount):,.2f}"
    return [f"{row.order_date:%m/%d/%Y} 12:00 AM", f"({amount})" if row.amount < 0 else amount]


SPELLINGS = {
    "de": (_german, ";", "cp1252"),
    "fr": (_french, ";", "utf-16"),
    "ch": (_swiss, "\t", "utf-8-sig"),
    "us": (_american, ",", "utf-8"),
}


def test_a_log_of_four_countries_is_scored_to_the_same_bytes(shop, tmp_path, monkeypatch, capsys):
    log = pd.read_csv(shop.log, dtype={"customer_id": str, "product_id": str})
    log["order_date"] = pd.to_datetime(log["order_date"]).dt.date
    # An amount that has thousands, for each of the ways to write them.
    large = {**log.iloc[0].to_dict(), "amount": 1234567.25, "order_id": "L1", "order_date": date(2024, 3, 31)}
    log = pd.concat([log, pd.DataFrame([large])], ignore_index=True)

    def score(name, frame, **keys):
        frame.to_csv(tmp_path / f"{name}.csv", index=False, **keys)
        output = tmp_path / f"{name}-scores.csv"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.tracking)
        command = ["clvml", "score", str(tmp_path / f"{name}.csv"), "--output", str(output), "--json"]
        monkeypatch.setattr("sys.argv", [*command, "--as-of", "2024-06-30", "--explain", "none"])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert end.value.code == 0, printed.err
        assert json.loads(printed.out)["rows_out"] > 1000
        return output.read_bytes()

    expected = score("plain", log)
    for country, (spell, delimiter, encoding) in SPELLINGS.items():
        written = log.copy()
        written[["order_date", "amount"]] = [spell(row) for row in log.itertuples()]
        assert score(country, written, sep=delimiter, encoding=encoding) == expected, country
