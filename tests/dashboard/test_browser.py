"""The dashboard in a real browser: nothing overflows, nothing is asked of elsewhere, and a reader finds a customer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.dashboard.conftest import Client
from tests.pages import CHARTS, CHROMIUM, CONTRAST, browser

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
