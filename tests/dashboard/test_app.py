from __future__ import annotations

import io
import json
import re
from html import unescape
from importlib.resources import files
from urllib.parse import parse_qs, quote, urlsplit

import pandas as pd
import pytest
import requests
from tests.dashboard.conftest import Client, Serve, dashboard_frame, served, write
from tests.pages import Texts, left_in_english

from clvml.dashboard.guard import HEADERS
from clvml.dashboard.store import Snapshots
from clvml.report.language import LANGUAGES
from clvml.scores.columns import SCORED
from clvml.storage.files import write_table

PATHS = ("/", "/customers", "/customer?id=C00001", "/segments", "/plan?budget=50", "/trust")
TEXTS = {column.name: str for column in SCORED if column.kind == "text"}
CALL = "call: what went wrong?"


def listed(page: str) -> list[str]:
    """Return the customers of a list, in its order."""
    table = page[page.index('<table class="cards list">') :]
    return [unescape(name) for name in re.findall(r'<td class="id"><a [^>]*><bdi>(.*?)</bdi>', table)]


def downloaded(client: Client, query: str = "") -> pd.DataFrame:
    answer = client.get(f"/customers.csv{query}")
    assert answer.status_code == 200
    return pd.read_csv(io.StringIO(answer.text), dtype=TEXTS, keep_default_na=False, na_values=[""])


def at_risk(frame: pd.DataFrame) -> pd.Series:
    return frame["p_churn"] * frame["expected_spend"] / (1 - frame["p_churn"]).clip(lower=0.15)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_page_in_every_language(client: Client, path: str, code: str) -> None:
    answer = client.get(f"{path}{'&' if '?' in path else '?'}lang={code}")
    assert answer.status_code == 200
    assert f'<html lang="{code}">' in answer.text
    # One script, of this place, none in the page, and nothing from elsewhere.
    page = answer.text.replace('<script src="/script.js" defer></script>', "", 1)
    assert page != answer.text
    assert not re.search(r"<script|<img|@import|url\(|https?:|\bon[a-z]+=|javascript:", page)
    assert len(answer.content) < 100_000
    links = re.findall(r'href="([^"]*)"', answer.text)
    own = [link for link in links if link.startswith("/") and not link.endswith((".css", ".svg"))]
    assert own and all(f"lang={code}" in link for link in own)
    if code != "en":
        assert left_in_english(answer.text) == []


def test_the_language_is_the_browsers(client: Client) -> None:
    def spoken(**headers: str) -> str:
        return re.findall('<html lang="(..)">', client.get("/", **headers).text)[0]

    assert spoken() == "en"
    assert spoken(Accept_Language="fr-CH, fr;q=0.9, en;q=0.8") == "fr"
    assert spoken(Accept_Language="es, de-AT;q=0.3, en;q=0.2") == "de"
    assert spoken(Accept_Language="es;q=x,;;,ja") == "en"


def test_filters_filter(client: Client, frame: pd.DataFrame) -> None:
    vips = frame[frame["segment"] == "VIP"]
    assert set(downloaded(client, "?segment=VIP")["customer_id"]) == set(vips["customer_id"])
    high = frame[(frame["churn_risk"] == "high") & (frame["value_tier"] == "silver")]
    assert len(high) > 0
    assert set(downloaded(client, "?risk=high&tier=silver")["customer_id"]) == set(high["customer_id"])
    rich = frame[frame["clv"] >= 100.5]
    for least in ("100.5", "100,5", "100,50&lang=fr", "+100.500&lang=en"):
        assert set(downloaded(client, f"?least={least}")["customer_id"]) == set(rich["customer_id"])
    found = frame[frame["customer_id"].str.contains("C0001")]
    assert set(downloaded(client, "?search=c0001")["customer_id"]) == set(found["customer_id"])
    assert len(downloaded(client, "?search=C00017")) == 1
    # A sign of SQL's is a letter like any other.
    for letter in ("%", "_", "'", "\\", "?"):
        assert len(downloaded(client, f"?search={quote(letter)}")) == 0
    page = client.get("/customers?search=nobody").text
    assert "Nobody is like that" in page and "/customers.csv" not in page


def test_columns_of_ones_own_filter_too_and_stand_on_the_page_of_a_customer(
    serve: Serve, frame: pd.DataFrame
) -> None:
    channel = [("web", "=1+1", 'fair, "x"', None)[place % 4] for place in range(len(frame))]
    own = frame.assign(
        **{
            "channel": channel,
            "date of birth": [f"19{place % 90:02d}-01-01" for place in range(len(frame))],
            "acquisition_source": ["ads", "shop"] * (len(frame) // 2),
            "at_risk": "not ours",
            "Place": "here",
        }
    )
    escaped = own.assign(channel=own["channel"].replace({"=1+1": "'=1+1"}))
    client, _ = serve(escaped)
    page = client.get("/customers").text
    assert 'name="own.channel"' in page and 'name="own.acquisition_source"' in page
    # Of too many values nobody chooses one, and of one there is nothing to choose.
    assert "own.date" not in page and "own.place" not in page.lower()
    for value in ("web", "=1+1", 'fair, "x"'):
        rows = downloaded(client, f"?own.channel={quote(value)}&own.acquisition_source=ads")
        wanted = own[(own["channel"] == value) & (own["acquisition_source"] == "ads")]
        assert set(rows["customer_id"]) == set(wanted["customer_id"])
        assert set(rows["date of birth"]) == set(wanted["date of birth"])
    assert len(downloaded(client, "?own.channel=nowhere&own.segment=VIP")) == len(frame)
    assert "own.channel=web" in client.get("/customers?own.channel=web").text
    customer = own.iloc[1]
    page = client.get(f"/customer?id={customer['customer_id']}&lang=de").text
    assert "Was sonst bekannt ist" in page and ">Quelle<" in page and ">=1+1<" in page
    assert str(customer["date of birth"]) in page and "not ours" not in page


def test_the_cells_of_the_risk_table_lead_to_their_customers(client: Client, frame: pd.DataFrame) -> None:
    page = client.get("/customers").text
    cells = re.findall(r'<td class="(low|medium|high)[^>]*><b><a href="([^"]*)">.*?</b><span>(\d+)', page)
    assert len(cells) == 12
    seen: set[str] = set()
    for risk, link, customers in cells:
        rows = downloaded(client, f"?{urlsplit(unescape(link)).query}")
        assert len(rows) == int(customers) and set(rows["churn_risk"]) <= {risk}
        seen |= set(rows["customer_id"])
    assert seen == set(frame["customer_id"])


@pytest.mark.parametrize(
    ("sort", "column", "ascending"),
    [
        ("clv", "clv", False),
        ("-clv", "clv", True),
        ("p_churn", "p_churn", False),
        ("customer_id", "customer_id", True),
        ("historic_spend", "historic_spend", False),
        ("segment", "segment", True),
    ],
)
def test_sorting_sorts(client: Client, frame: pd.DataFrame, sort: str, column: str, ascending: bool) -> None:
    # Those who are alike in it: most at risk first.
    ordered = frame.assign(at_risk=at_risk(frame)).sort_values(
        [column, "at_risk"], ascending=[ascending, False]
    )
    wanted = list(ordered["customer_id"])
    assert list(downloaded(client, f"?sort={sort}")["customer_id"]) == wanted
    assert listed(client.get(f"/customers?sort={sort}").text) == wanted[:25]
    assert listed(client.get(f"/customers?sort={sort}&page=3").text) == wanted[50:75]


def test_most_at_risk_stands_first(client: Client, frame: pd.DataFrame) -> None:
    wanted = frame.assign(at_risk=at_risk(frame)).sort_values("at_risk", ascending=False)["customer_id"]
    assert listed(client.get("/customers").text) == list(wanted[:25])


def test_the_download_is_what_is_seen(client: Client, frame: pd.DataFrame) -> None:
    query = "?segment=lost&sort=-historic_spend"
    rows = downloaded(client, query)
    assert listed(client.get(f"/customers{query}").text) == list(rows["customer_id"][:25])
    whole = frame.set_index("customer_id").loc[rows["customer_id"]].reset_index()
    assert list(rows.columns) == [column.name for column in SCORED if column.name in frame]
    whole = whole[list(rows.columns)]
    assert (
        rows.astype(object).where(rows.notna(), None).equals(whole.astype(object).where(whole.notna(), None))
    )


def test_links_restore_the_state(client: Client) -> None:
    page = client.get(
        "/customers?lang=de&search=c&segment=lost&risk=high&row=3&least=-5&sort=-clv&page=2"
    ).text
    assert 'value="c"' in page and 'value="-5"' in page
    chosen = re.findall(r'<option value="([^"]*)" selected>', page)
    assert chosen == ["lost", "high", "", "3", "-clv"]
    earlier = unescape(re.findall(r'href="([^"]*)" rel="prev"', page)[0])
    assert parse_qs(urlsplit(earlier).query) == {
        "lang": ["de"],
        "search": ["c"],
        "segment": ["lost"],
        "risk": ["high"],
        "row": ["3"],
        "least": ["-5"],
        "sort": ["-clv"],
    }
    french = unescape(re.findall(r'href="([^"]*)" lang="fr"', page)[0])
    assert listed(client.get(f"/customers{french}").text) == listed(page)


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=0",
        "page=x",
        "page=99999999999999999999",
        "page=²",
        "sort=evil",
        "sort=-",
        "sort=clv;drop table customers",
        "lang=xx",
        "lang=../../etc/passwd",
        "segment=nix",
        "risk=' or 1=1 --",
        "row=17",
        "row=-1",
        "least=nan",
        "least=1e999",
        "least=x",
        "search=%00",
        "search=%ff%fe",
        "a=1&a=2&self=3&lang=de&lang=fr",
        "",
    ],
)
def test_nonsense_in_an_address_is_passed_over(client: Client, query: str) -> None:
    answer = client.get(f"/customers?{query}")
    assert answer.status_code == 200
    if query != "page=99999999999999999999" and "ff" not in query:
        assert listed(answer.text) == listed(client.get("/customers").text)


def test_a_page_too_far_is_the_last_one(client: Client) -> None:
    assert listed(client.get("/customers?page=999").text) == listed(client.get("/customers?page=16").text)


def test_unknown_pages(client: Client) -> None:
    for path in (
        "/nix",
        "/customer",
        "/docs",
        "/openapi.json",
        "/../etc/passwd",
        "/style.css/x",
    ):
        answer = client.get(path, Accept_Language="de")
        assert answer.status_code == 404
        assert "Diese Seite gibt es nicht" in answer.text and "Traceback" not in answer.text
    unknown = client.get("/customer?id=%3Cb%3E007%2F%C3%BC", Accept_Language="de")
    assert unknown.status_code == 404
    assert "„&lt;b&gt;007/ü“ steht nicht in der Bewertungsdatei" in unknown.text
    assert 'action="/customers"' in unknown.text and 'name="search" value="&lt;b&gt;007/ü"' in unknown.text
    refused = client.session.post(
        # The server hangs up on a body that it does not read.
        client.address + "/customers",
        data={"a": 1},
        headers={"connection": "close"},
        timeout=60,
    )
    assert refused.status_code == 405 and "<h1>" in refused.text


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("spend_sum_90d+", None, "gab in den letzten 90 Tagen 250 € aus erhöht die erwarteten Ausgaben"),
        (None, "spent 250 (lowers expected spend)", "spent 250 senkt die erwarteten Ausgaben"),
    ],
)
def test_a_customer_says_why_so_much(
    serve: Serve, frame: pd.DataFrame, key: str | None, text: str | None, shown: str
) -> None:
    columns = {"value_reason_1": text, "value_reason_1_key": key, "value_reason_1_values": key and "250"}
    client, _ = serve(frame.assign(**columns))
    page = client.get("/customer?id=C00001&lang=de").text
    assert shown in re.sub(r"\s+", " ", " ".join(Texts(page).texts))
    assert list(downloaded(client))[-3:] == list(columns)


def test_a_customer(client: Client, frame: pd.DataFrame) -> None:
    row = frame[(frame["segment"] == "lost") & (frame["expected_spend"] > 5)].iloc[0]
    page = client.get(f"/customer?id={row['customer_id']}").text
    shown = " ".join(Texts(page).texts)
    for days in (30, 90, 180, 365):
        assert f"€{row[f'expected_spend_{days}d']:,.0f}" in shown and f"next {days} days" in shown
    low, high = (round(row[f"expected_spend_{end}"]) for end in ("low", "high"))
    assert f"€{low:,} to €{high:,}" in shown
    words = re.sub(r"\s+", " ", shown)
    assert "margin of 365 days · tier " in words and "of the turnover of 90 days" in words
    assert "bought on 2 of the last 90 days lowers the risk" in re.sub(r"\s+", " ", shown)
    assert "no purchase for 1 day; usually every 31" in shown
    callable_ = frame[frame["segment"] != "lost"]
    called = frame.loc[at_risk(callable_).nlargest(10).index[0], "customer_id"]
    # Whoever is left alone is on no list, whatever there is to lose.
    lost = frame[frame["segment"] == "lost"]
    others = frame.loc[at_risk(lost).nlargest(1).index[0], "customer_id"]
    for customer, do, not_do in ((called, CALL, "leave alone"), (others, "leave alone", CALL)):
        page = client.get(f"/customer?id={customer}").text
        assert do in page and not_do not in page and ("not on the list of calls" in page) == (do != CALL)
    assert "usually every 31 days" in shown


ODD = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202eevil\u2066",
    "عميل ١",
    "客" * 300,
    "a/b?c=d&e#f",
    "{{7*7}}{0}%s",
    " space ",
    "=1+1",
    "'=1+1",
    "NULL",
]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_odd_ids_are_text(tmp_path, ending: str) -> None:
    frame = dashboard_frame(len(ODD)).assign(customer_id=ODD, segment="<b>&")
    path = write(frame, tmp_path / "scores.csv").with_suffix(f".{ending}")
    write_table(frame, path)
    with served(Snapshots(path, tmp_path)) as client:
        page = client.get("/customers?sort=customer_id").text
        assert sorted(listed(page)) == sorted(ODD)
        for name in ODD:
            assert client.get(f"/customer?id={quote(name, safe='')}").status_code == 200
        for text in [page, *(client.get(path).text for path in ("/", "/segments"))]:
            assert not re.search("<script(?! src=)|<img|<b>&", text)
        assert len(listed(client.get("/customers?segment=%3Cb%3E%26").text)) == len(ODD)
        cells = downloaded(client)["customer_id"].tolist()
    # As `clvml score` writes them: nothing that a spreadsheet would run.
    assert sorted(cells) == sorted({"=1+1": "'=1+1", "'=1+1": "''=1+1"}.get(name, name) for name in ODD)


def test_headers(client: Client) -> None:
    for path in (*PATHS, "/nix", "/style.css", "/customers.csv?segment=VIP"):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value or (name == "cache-control" and path == "/style.css")
        assert "server" not in answer.headers or "uvicorn" not in path
    assert "unsafe-eval" not in HEADERS["content-security-policy"]
    assert "script-src 'self';" in HEADERS["content-security-policy"]


def test_the_script_is_htmx_with_its_licence(client: Client) -> None:
    answer = client.get("/script.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith("var htmx=") and len(answer.content) < 60_000
    assert "Zero-Clause BSD" in (files("clvml.dashboard") / "static" / "htmx-LICENSE.txt").read_text(
        encoding="utf-8"
    )
    config = json.loads(
        unescape(re.findall("name=\"htmx-config\" content='([^']*)'", client.get("/").text)[0])
    )
    assert config["allowEval"] is config["allowScriptTags"] is config["includeIndicatorStyles"] is False
    assert config["historyCacheSize"] == 0


def test_a_part_that_cannot_be_shown_is_the_whole_page(client: Client) -> None:
    assert client.get("/nix?a=b", HX_Request="true").headers["hx-redirect"] == "/nix?a=b"
    assert "hx-redirect" not in client.get("/nix").headers
    stated = client.get("/customers?search=&risk=high&lang=de", HX_Request="true").headers["hx-replace-url"]
    assert stated == "/customers?risk=high&lang=de"


def test_a_name_that_is_not_this_machines_is_refused(client: Client) -> None:
    for host in ("evil.example", "evil.example:8050", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        answer = client.get("/customers", Host=host)
        assert answer.status_code == 421 and "C0" not in answer.text
    for host in ("localhost:8050", "LOCALHOST", "127.0.0.1:1", "[::1]:8050"):
        assert client.get("/customers", Host=host).status_code == 200


def test_a_password_is_asked_for_everywhere(serve: Serve) -> None:
    client, _ = serve(dashboard_frame(30), password="grün:1", hosts=None)
    for path in (*PATHS, "/style.css", "/customers.csv", "/nix"):
        answer = client.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic")
        assert "C0" not in answer.text
    from base64 import b64encode

    for said in (
        "Basic",
        "Basic !!!",
        "Bearer x",
        f"Basic {b64encode(b'ann:wrong').decode()}",
        "Basic " + "A" * 3000,
    ):
        assert client.get("/", Authorization=said).status_code == 401
    right = f"Basic {b64encode('ann:grün:1'.encode()).decode()}"
    assert client.get("/", Authorization=right, Host="shop.example").status_code == 200


def test_three_hundred_segments(serve: Serve) -> None:
    frame = dashboard_frame(600)
    frame["segment"] = [f"segment {number % 300}" for number in range(600)]
    client, _ = serve(frame)
    page = client.get("/customers")
    assert len(page.content) < 100_000 and page.text.count("<option") > 300
    assert client.get("/segments").text.count("segment 2") > 100
    assert len(listed(client.get("/customers?segment=segment+7").text)) == 2


def test_requests_of_a_browser_only_read(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = requests.request(method, client.address + "/customers", timeout=60)
        assert answer.status_code == 405


def test_a_defect_is_a_page_and_no_traceback(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("C00001 and a path")

    monkeypatch.setattr("clvml.dashboard.pages.today", fail)
    answer = client.get("/", Accept_Language="fr")
    assert answer.status_code == 500 and "C’est un défaut de clvml" in answer.text
    assert "C00001" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]


@pytest.mark.parametrize("query", ["", "search=c0", "risk=high", "least=0", "search=nobody"])
@pytest.mark.parametrize("sort", ["at_risk", "-at_risk", "clv", "-segment", "expected_spend"])
@pytest.mark.parametrize("page", [1, 2, 999])
def test_pages_are_parts_of_the_whole_list(client: Client, query: str, sort: str, page: int) -> None:
    whole = downloaded(client, f"?{query}&sort={sort}")
    answer = client.get(f"/customers?{query}&sort={sort}&page={page}").text
    last = max(-(-len(whole) // 25), 1)
    number = min(page, last)
    assert f"page {number} of {last}" in answer
    shown = list(whole["customer_id"][25 * (number - 1) : 25 * number])
    assert (listed(answer) if shown else shown) == shown
    money, risk = whole["expected_spend"].sum(), at_risk(whole).sum()
    totals = re.findall(r"<b>€([\d,]+)</b>", answer)
    for told, wanted in zip(totals, (money, risk), strict=True):
        assert float(told.replace(",", "")) == pytest.approx(wanted, rel=0.01, abs=0.51)
