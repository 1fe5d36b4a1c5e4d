"""The report in a real browser: nothing overflows, nothing is asked for, nothing is unreadable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clvml.report.language import LANGUAGES
from clvml.report.page import build_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

# Texts of a visible chart that touch each other, leave the picture, or are too small; texts too pale to read.
CHARTS = """() => [...document.querySelectorAll('svg')].filter(svg => svg.clientWidth).flatMap(svg => {
  const frame = svg.getBoundingClientRect(), faults = [];
  const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect(),
    parseFloat(getComputedStyle(text).fontSize)]);
  texts.forEach(([words, box, size], index) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
        || box.bottom > frame.bottom + 1)
      faults.push('clipped: ' + words);
    if (size * frame.width / svg.viewBox.baseVal.width < 11) faults.push('small: ' + words);
    texts.slice(index + 1).forEach(([other, there]) => {
      if (box.left < there.right - 1 && there.left < box.right - 1 && box.top < there.bottom - 4
          && there.top < box.bottom - 4)
        faults.push('overlap: ' + words + ' | ' + other);
    });
  });
  return faults; })"""
CONTRAST = """() => { const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll('svg text')].map(text => { const ink = light(getComputedStyle(text).fill);
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05) }).filter(ratio => ratio < 4.5).length }"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        # Without a sandbox, because root has none.
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


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
