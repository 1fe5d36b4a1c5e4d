from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from tests.dashboard.conftest import Client, dashboard_frame, served, write

from clvml.dashboard.store import Snapshots
from clvml.errors import InputError


def read(client: Client, path: str) -> pd.DataFrame:
    answer = client.get(path)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    return pd.read_csv(io.StringIO(answer.text), dtype=str)


def addresses(frame: pd.DataFrame) -> pd.DataFrame:
    """Return addresses of every second customer, one of them with a formula for a name."""
    known = pd.DataFrame(
        {"customer_id": frame["customer_id"], "email": frame["customer_id"].str.lower() + "@x.example"}
    )
    known.loc[0, "email"] = "=cmd@x.example"
    return known[::2]


@pytest.fixture(scope="module")
def reached(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("contacts")
    contacts = folder / "contacts.csv"
    addresses(frame).assign(phone="1").to_csv(contacts, index=False)
    with served(Snapshots(write(frame, folder / "scores.csv"), folder, contacts=contacts)) as client:
        yield client


def test_a_list_for_an_e_mail_tool_has_those_with_an_address(reached: Client, frame: pd.DataFrame) -> None:
    rows = read(reached, "/customers.csv?segment=VIP&preset=brevo")
    vips = frame[frame["segment"] == "VIP"]
    known = vips.merge(addresses(frame), on="customer_id")
    assert list(rows.columns) == ["EMAIL", "EXT_ID", "CAMPAIGN", "ACTION"]
    assert 0 < len(rows) < len(vips) and set(rows["EXT_ID"]) == set(known["customer_id"])
    assert list(rows["EMAIL"]) == [
        "'=cmd@x.example" if number == frame["customer_id"][0] else f"{number.lower()}@x.example"
        for number in rows["EXT_ID"]
    ]
    assert "not in them" in reached.get("/customers").text


def test_a_plans_list_for_a_tool_is_of_whom_to_contact(reached: Client, frame: pd.DataFrame) -> None:
    everybody = read(reached, "/plan.csv?cost=1")
    assert list(everybody.columns) == ["customer_id", "campaign", "action"]
    rows = read(reached, "/plan.csv?cost=1&preset=mailchimp")
    assert list(rows.columns)[:1] == ["Email Address"] and set(rows["Tags"]) == {"contact"}
    known = everybody.merge(addresses(frame), on="customer_id")
    assert set(rows["customer_id"]) == set(known["customer_id"])


def test_without_addresses_a_list_is_of_customer_numbers(client: Client, frame: pd.DataFrame) -> None:
    page = client.get("/customers?segment=VIP").text
    links = dict(re.findall(r'<a href="([^"]*preset=(?:[a-z]+)[^"]*)" download>(\w+)</a>', page))
    assert sorted(links.values()) == ["Brevo", "HubSpot", "Klaviyo", "Mailchimp"]
    assert "no e-mail addresses" in page
    for link in links:
        rows = read(client, unescape(link))
        (number,) = set(rows.columns) & {"customer_id", "EXT_ID"}
        assert set(rows[number]) == set(frame.loc[frame["segment"] == "VIP", "customer_id"])


def test_a_tool_that_is_not_known_is_refused(client: Client) -> None:
    for path in ("/customers.csv", "/plan.csv"):
        assert client.get(f"{path}?preset=nix").status_code == 400


def test_nobody_is_a_list_without_rows(client: Client) -> None:
    assert len(read(client, "/customers.csv?search=nobody&preset=klaviyo")) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist|No such file|cannot be read"),
        ("customer_id,mail\na,b\n", "no column 'email'"),
        ("customer_id,email\na,b\na,c\n", "customer 'a' twice"),
        ("customer_id,email\na,b\n", "and not as 'a'; write them alike"),
        ("", "contacts"),
    ],
)
def test_contacts_that_are_at_fault_are_said_at_once(tmp_path: Path, content: str | None, said: str) -> None:
    contacts = tmp_path / "contacts.csv"
    if content is not None:
        contacts.write_text(content)
    path = write(dashboard_frame(5), tmp_path / "scores.csv")
    with pytest.raises(InputError, match=said):
        Snapshots(path, tmp_path, contacts=contacts).newest()
