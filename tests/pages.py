"""What tests of pages share: what a reader sees of a page, and a browser to see it in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.catalogue import extract

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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


class Texts(HTMLParser):
    """Collects what a reader sees, text by text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden = False
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.hidden = tag == "style"
        self.texts += [
            value for name, value in attrs if name in ("aria-label", "title", "data-name") and value
        ]

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.strip():
            self.texts.append(data.strip())


def left_in_english(page: str) -> list[str]:
    """Return the texts of a page in another language that are English."""
    english = set()
    for message in extract():
        forms = [message.id] if isinstance(message.id, str) else message.id
        english |= {re.sub(r"\{[^}]*\}", "", form).strip(" .:") for form in forms}
    telling = {words for words in english if len(words) > 3 and " " in words} | {
        "Customers",
        "Money",
        "today",
    }
    shown = [re.sub(r"[\d.,%€]+", "", text).strip(" .:") for text in Texts(page).texts]
    found = [text for text in shown if text in telling]
    return found + re.findall(r"\b(?:the|customers|bought|expected|with)\b.{,40}", " ".join(shown))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        # Without a sandbox, because root has none.
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()
