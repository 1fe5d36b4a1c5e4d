"""docs/cases.md shows what `clvml check` prints of each odd export, as it prints it today."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^## (\S+)\n\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE))


def test_the_page_shows_every_case():
    assert set(SHOWN) == {path.name for path in (ROOT / "tests" / "cases").iterdir()}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_the_page_shows_what_is_printed(name, run, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, _, shown = re.sub(r"^    ", "", SHOWN[name], flags=re.MULTILINE).partition("\n\n")
    code, out, err = run(*shlex.split(command)[1:])
    printed = out if code == 0 else err
    assert _ageless(printed).strip().splitlines() == _ageless(shown).strip().splitlines()


def _ageless(text: str) -> str:
    return re.sub(r"last line is [\d,]+ days", "last line is N days", text)
