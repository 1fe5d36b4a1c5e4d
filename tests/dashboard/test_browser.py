"""The dashboard in a real browser: nothing overflows, nothing is asked of elsewhere, and a reader finds a customer."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from tests.dashboard.conftest import Client, Serve, dashboard_frame
from tests.pages import CHARTS, CHROMIUM, CONTRAST, browser

from clvml.dashboard.model_page import Models
from clvml.outcomes.model_state import ModelState

__all__ = ["browser"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

PATHS = ("/", "/customers", "/customer?id=C00001", "/segments", "/plan?budget=50", "/trust", "/nix")


def test_every_page_in_a_browser(browser: Any, client: Client) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width, scheme in ((1280, "light"), (390, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="de-DE")
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        for path in PATHS:
            said.clear()
            asked.clear()
            page.goto(client.address + path)
            # A browser says itself that a page is not there.
            assert said == [] or (path == "/nix" and len(said) == 1)
            assert all(url.startswith(client.address + "/") for url in asked) and len(asked) <= 5
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.evaluate("document.documentElement.lang") == "de"
            assert page.evaluate(CHARTS) == []
            assert page.evaluate(CONTRAST) == 0
            found = axe.run(page).response["violations"]
            assert [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == [], (path, width)
        page.close()


def test_a_reader_finds_a_customer_without_script(browser: Any, client: Client) -> None:
    context = browser.new_context(java_script_enabled=False, locale="fr-FR")
    page = context.new_page()
    page.goto(f"{client.address}/customers")
    page.fill("input[name=search]", "c0001")
    page.select_option("select[name=risk]", "high")
    page.click("form button")
    assert "search=c0001" in page.url and "risk=high" in page.url
    first = page.inner_text("table.list td.id >> nth=0")
    page.click("table.list td.id a >> nth=0")
    assert page.inner_text("h1") == first
    page.click("text=Deutsch")
    assert page.inner_text("h1") == first and page.get_attribute("html", "lang") == "de"
    assert "Was tun" in page.inner_text("main")
    context.close()


def changed(page: Any, address: str) -> None:
    """Wait until the page has another address, and its changed parts have come to rest."""
    page.wait_for_url(address)
    page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added").first.wait_for(
        state="detached"
    )


def test_forms_change_the_page_without_loading_it(browser: Any, client: Client) -> None:
    page = browser.new_page(locale="de-DE")
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.resource_type))

    page.goto(f"{client.address}/customers")
    asked.clear()
    page.fill("input[name=search]", "c0001")
    changed(page, "**/customers?search=c0001")
    page.select_option("select[name=risk]", "high")
    changed(page, "**/customers?search=c0001&risk=high")
    number = int(page.inner_text("#count b >> nth=0"))
    assert 0 < number < 10 == page.locator("table.list tbody tr").count() + 10 - number
    assert page.evaluate("document.activeElement.name") == "search"
    page.click("table.list thead a >> nth=5")
    changed(page, "**sort=clv**")
    assert page.input_value("select[name=sort]") == "clv"
    assert "sort=clv" in page.get_attribute("#languages a >> nth=0", "href")
    page.click("text=alle zeigen")
    changed(page, f"{client.address}/customers")
    assert page.input_value("input[name=search]") == ""

    page.goto(f"{client.address}/plan")
    page.fill("#cost", "2,5")
    changed(page, "**/plan?cost=2.5&save=10")
    assert page.input_value("#cost-slider") == "2.5"
    title = page.inner_text("#plan h3")
    page.locator("#save-slider").fill("20")
    changed(page, "**/plan?cost=2.5&save=20")
    assert page.input_value("#save") == "20" and page.inner_text("#plan h3") != title
    assert said == []
    page.fill("#cost", "x")
    page.wait_for_selector("#cost-fault:not(:empty)")
    assert page.locator("#plan svg").count() == 0 and len(said) == 1
    page.fill("#cost", "1.000")
    changed(page, "**/plan?cost=1000&save=20")
    assert page.inner_text("#cost-fault") == ""
    assert asked.count("document") == 1 and asked.count("xhr") >= 8
    # Of what was seen nothing stays in the browser but the address.
    kept = page.evaluate("({...localStorage, ...sessionStorage})")
    assert list(kept.values()) == ["/plan?cost=1000&save=20"]
    page.close()


def test_the_model_in_use_follows_by_itself(browser: Any, serve: Serve) -> None:
    answers = Event()

    def ask() -> ModelState:
        answers.wait(120)
        return ModelState("v1", (), (), "")

    client, _ = serve(dashboard_frame(30), models=Models(ask))
    page = browser.new_page(locale="en")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{client.address}/trust?lang=de")
    assert "MLflow wird gefragt" in page.inner_text("#models")
    answers.set()
    page.wait_for_selector("#models h3 >> text=Kein anderes Modell ist klar besser als das eingesetzte, v1")
    assert page.locator("[hx-trigger]").count() == 0 and said == []
    page.close()
