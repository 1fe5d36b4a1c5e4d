"""The sections of the report: titles that are computed sentences, tables and charts, in one language.

Each section is plain data for the template. What a title says depends on the figures, and turns when they turn.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.sections import customer_lists, forecast, headline, trust
from clvml.report.sections.by_attribute import attributes
from clvml.report.sections.channels import channels
from clvml.report.sections.glossary import glossary
from clvml.report.sections.planned import planned


def build_sections(facts: Facts, say: Language, today: date | None) -> dict[str, Any]:
    """Return the parts of the page by name; a part for which there are no figures is None."""
    return {
        "banner": headline.banner(facts, say, today),
        "sentences": headline.sentences(facts, say),
        "calls": customer_lists.calls(facts, say),
        "risk": customer_lists.risk(facts, say),
        "outlook": forecast.outlook(facts, say),
        "segments": forecast.segments(facts, say),
        "attributes": attributes(facts, say),
        "spend": planned(facts, say) or forecast.spend(facts, say),
        "acquisition": forecast.acquisition(facts, say),
        "channels": channels(facts, say),
        "concentration": customer_lists.concentration(facts, say),
        "cohorts": customer_lists.cohorts(facts, say),
        "drivers": trust.drivers(facts, say),
        "gains": trust.gains(facts, say),
        "calibration": trust.calibration(facts, say),
        "leaderboard": trust.leaderboard(facts, say),
        "quality": trust.quality(facts, say),
        "glossary": glossary(facts, say),
    }
