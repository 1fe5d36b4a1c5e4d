"""The sections of the report: titles that are computed sentences, tables and charts, in one language.

Each section is plain data for the template. What a title says depends on the figures, and turns when they turn.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.sections import customers, headline, outlook, trust
from clvml.report.sections.planned import planned


def build_sections(facts: Facts, say: Language, today: date | None) -> dict[str, Any]:
    """Return the parts of the page by name; a part for which there are no figures is None."""
    return {
        "banner": headline.banner(facts, say, today),
        "sentences": headline.sentences(facts, say),
        "calls": customers.calls(facts, say),
        "risk": customers.risk(facts, say),
        "outlook": outlook.outlook(facts, say),
        "segments": outlook.segments(facts, say),
        "spend": planned(facts, say) or outlook.spend(facts, say),
        "acquisition": outlook.acquisition(facts, say),
        "concentration": customers.concentration(facts, say),
        "cohorts": customers.cohorts(facts, say),
        "drivers": trust.drivers(facts, say),
        "gains": trust.gains(facts, say),
        "calibration": trust.calibration(facts, say),
        "leaderboard": trust.leaderboard(facts, say),
        "quality": trust.quality(facts, say),
    }
