"""The report as one HTML file: no script, no request, in one language."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.sections import build_sections
from clvml.report.subscriber_words import words_of


def build_page(facts: Facts, code: str = "en", *, name: str = "", today: date | None = None) -> str:
    """Return the report of a scoring.

    Parameters
    ----------
    facts : Facts
        See `clvml.report.facts.read_facts`.
    code : {"en", "fr", "de"}
        Language of texts and formats.
    name : str
        Of the data, shown below the title.
    today : date, optional
        Tells how old the scores are; without it nothing is said of that.

    Raises
    ------
    InputError
        The language is not known.
    """
    say = Language(code, facts.currency, words_of(facts))
    value = facts.overview.get("value")
    footer = say.text("Made by clvml from a scored file, with no script and no request.")
    if value:
        footer += Markup(" ") + say.text(
            "Lifetime value is margin over {days} days at {rate} a year.",
            days=say.count(value["horizon_days"]),
            rate=say.percent(value["discount_rate"]),
        )
    return (
        environment("clvml.report")
        .get_template("report.html")
        .render(
            say=say,
            text=say.text,
            title=say.text("Customers: what is coming and whom to call"),
            subtitle=subtitle(facts, say, name),
            footer=footer,
            css=Markup(_css()),
            **build_sections(facts, say, today),
        )
    )


def subtitle(facts: Facts, say: Language, name: str = "") -> Markup:
    """Return what a page says below its title: whose scores of when and of how many, and by which model."""
    parts = [
        name,
        say.text("as of {date}", date=say.date(facts.as_of)),
        say.plural("{n} customer", "{n} customers", facts.customers),
        say.text("model {version}", version=facts.model_version) if facts.model_version else "",
    ]
    return Markup(" · ").join(part for part in parts if part)


@cache
def environment(*packages: str) -> Environment:
    """Return the templates of packages, those of the first before those of the others."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _css() -> str:
    return (files("clvml.report") / "templates" / "report.css").read_text(encoding="utf-8")
