"""The experiments of this repository and their written results say the same."""

from pathlib import Path

import pytest

from clvml.experiments.definition import read_experiment
from clvml.experiments.results_page import search_text, variants_table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*.yaml")), ids=lambda path: path.stem)
def test_the_page_is_of_the_file(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = read_experiment(path.relative_to(ROOT))
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"**Question.** {found.question}" in page
    assert f"Made by `clvml experiment experiments/{path.name}`." in page
    assert (path.parent / "images" / f"{path.stem}.png").exists()
    dates = page.partition("## Chosen on: ")[2].partition("\n")[0].replace(" and ", ", ").split(", ")
    assert len(dates) == found.folds - 1
    rows = variants_table(found.variants, found.config_path)
    assert (rows in page) or found.search
    if found.search:
        assert search_text(found.search) in page
