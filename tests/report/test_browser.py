"""The report in a real browser: nothing overflows, nothing is asked for, nothing is unreadable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pages import CHARTS, CHROMIUM, CONTRAST, browser

from clvml.report.document import build_page
from clvml.report.language import LANGUAGES

__all__ = ["browser"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_in_a_browser(browser: Any, facts, tmp_path: Path, code: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = tmp_path / "report.html"
    path.write_text(build_page(facts, code, name="Shop"), encoding="utf-8")
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("request", lambda request, said=said: said.append(request.url))
            page.goto(path.as_uri())
            assert said == [path.as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CHARTS) == []
            assert page.evaluate(CONTRAST) == 0
            if scheme == "light":
                found = axe.run(page).response["violations"]
                assert [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == []
            page.close()


def test_on_paper_it_has_at_most_ten_pages(browser: Any, facts, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(build_page(facts), encoding="utf-8")
    page = browser.new_page(color_scheme="dark")
    page.goto(path.as_uri())
    document = page.pdf(prefer_css_page_size=True, print_background=True)
    assert 1 <= document.count(b"/Type /Page\n") + document.count(b"/Type /Page ") <= 10
    page.close()
