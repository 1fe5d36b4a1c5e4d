"""The texts to translate: found in the code and the templates, and held against the catalogues of each language."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from clvml.report.language import LANGUAGES
from clvml.report.vocabulary import REASONS

_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
_KEYWORDS = {"text": None, "plural": (1, 2), "N_": None, "both": (1, 2)}


def extract() -> Catalog:
    """Return all texts of the pages, without translations."""
    found = Catalog(project="clvml", charset="utf-8", fuzzy=False)
    for package in ("report", "dashboard"):
        for _, _, message, _, _ in extract_from_dir(
            Path(str(files("clvml"))) / package,
            method_map=_METHODS,
            keywords=_KEYWORDS,
            options_map={"**/templates/**.html": {"trimmed": "false"}},
        ):
            found.add(message)
    for words in REASONS:
        found.add(words)
    return found


def read_catalogue(code: str) -> Catalog:
    """Return the catalogue of a language as it is in its file."""
    with (files("clvml.report") / "locale" / f"{code}.po").open("rb") as file:
        return read_po(file, locale=LANGUAGES[code].partition("_")[0])


def faults(code: str) -> list[str]:
    """Return what is wrong with a catalogue: texts that lack, are fuzzy, lose a field, or break before a sign."""
    import re

    wanted, have = extract(), read_catalogue(code)
    said = []
    for message in wanted:
        if not message.id:
            continue
        there = have.get(message.id)
        forms = [message.id] if isinstance(message.id, str) else list(message.id)
        if there is None:
            said.append(f"lacks: {forms[0]}")
            continue
        texts = [there.string] if isinstance(there.string, str) else list(there.string or ())
        if there.fuzzy:
            said.append(f"fuzzy: {forms[0]}")
        if not texts or not all(texts):
            said.append(f"empty: {forms[0]}")
        fields = set(re.findall(r"\{(\w+)", forms[-1])) | set(re.findall(r"\{(\w+)", forms[0]))
        said += [
            f"fields differ: {text}"
            for text in texts
            if text and not set(re.findall(r"\{(\w+)", text)) <= fields
        ]
        # French sets signs off by a blank at which no line may break.
        said += [f"breaks at: {text}" for text in texts if code == "fr" and re.search(" [:;?!»%]|« ", text)]
    known = {message.id for message in wanted}
    said += [f"unknown: {message.id}" for message in have if message.id and message.id not in known]
    return said


def update(code: str, folder: Path) -> None:
    """Write the catalogue of a language again with all texts of the code: new ones empty, unknown ones gone."""
    catalogue = read_catalogue(code)
    catalogue.update(extract(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    with (folder / f"{code}.po").open("wb") as file:
        write_po(file, catalogue, width=110, omit_header=False, no_location=True, sort_output=True)
