"""Split Online Retail II into three overlapping sources; configs/three_sources.yaml puts them together again.

    python examples/three_sources.py               into out/three_sources
    clvml check --config configs/three_sources.yaml

- an **archive** up to November 2010: US dollars, New York time, its own account numbers, phone numbers as keys;
- a **web shop** from November 2010 on (so that a month stands in both): euros, Berlin time, German numbers and dates,
  e-mail and phone beside the purchases;
- a **till** with a quarter of the later invoices: pounds, London time, loyalty cards, and a table of the cards.

E-mails, phones, cards and accounts are made up from the customer's number; no person is behind them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
# Pounds for one unit; both have an exact inverse, so that no penny is lost on the way and back.
RATES = {"USD": {"2009-12-01": 0.625, "2010-06-01": 0.64}, "EUR": {"2010-11-01": 0.8, "2011-06-01": 0.64}}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = pd.read_parquet(ROOT / "data" / "online_retail_ii.parquet").drop(columns="sheet")
    lines["order_date"] = lines["order_date"].dt.tz_localize("Europe/London")
    day = lines["order_date"].dt.tz_localize(None)
    # Invoices are numbers, with a letter before those of refunds.
    at_the_till = lines["order_id"].str.extract(r"(\d+)", expand=False).astype(int) % 4 == 0
    shop = lines[(day >= "2010-11-01") & ~(at_the_till & (day >= "2010-12-01"))]
    _archive(lines[day < "2010-12-01"]).to_parquet(folder / "archive.parquet", index=False)
    _shop(shop).to_csv(folder / "shop.csv", sep=";", decimal=",", index=False)
    _till(lines[at_the_till & (day >= "2010-12-01")]).to_csv(folder / "till.csv", index=False)
    _cards(lines["customer_id"].dropna().unique()).to_csv(folder / "cards.csv", index=False)
    rates = [(start, code, "GBP", rate) for code, by_day in RATES.items() for start, rate in by_day.items()]
    pd.DataFrame(rates, columns=["date", "from", "to", "rate"]).to_csv(folder / "rates.csv", index=False)


def _archive(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.assign(
        customer_id="A-" + (99_999 - lines["customer_id"].astype("Float64").astype("Int64")).astype("string"),
        order_date=lines["order_date"].dt.tz_convert("America/New_York").dt.tz_localize(None),
        amount=lines["amount"] / _rate(lines, "USD"),
        phone=lines["customer_id"].map(lambda text: f"(020) 7{int(text):06}", na_action="ignore"),
    )


def _shop(lines: pd.DataFrame) -> pd.DataFrame:
    written = lines["order_date"].dt.tz_convert("Europe/Berlin").dt.strftime("%d.%m.%Y %H:%M:%S")
    return pd.DataFrame(
        {
            "Kunde": "W" + lines["customer_id"],
            "E-Mail": lines["customer_id"].map(
                lambda text: f"Customer.{text}+Shop@Example.com", na_action="ignore"
            ),
            "Telefon": lines["customer_id"].map(lambda text: f"+44 20 7{int(text):06}", na_action="ignore"),
            "Bestellung": lines["order_id"],
            "Datum": written,
            "Artikel": lines["product_id"],
            "Menge": lines["quantity"],
            "Betrag": lines["amount"] / _rate(lines, "EUR"),
            "Text": lines["description"],
            "Einzelpreis": lines["price"],
            "Land": lines["country"],
        }
    )


def _till(lines: pd.DataFrame) -> pd.DataFrame:
    cards = lines["customer_id"].map(_card, na_action="ignore")
    return lines.assign(customer_id=cards, order_date=lines["order_date"].dt.tz_localize(None))


def _cards(customers: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "card": [_card(text) for text in customers],
            "mail": [f"customer.{text}@example.com" for text in customers],
            "phone": [f"0044207{int(text):06}" for text in customers],
        }
    )


def _card(customer: str) -> str:
    return f"{int(customer) * 7:08}"


def _rate(lines: pd.DataFrame, currency: str) -> pd.Series:
    rate = pd.Series(float("nan"), index=lines.index)
    for start, value in RATES[currency].items():
        rate[lines["order_date"].dt.tz_localize(None) >= start] = value
    return rate


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "three_sources")
