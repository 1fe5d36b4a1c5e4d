"""The report on a scored file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from clvml.config import ValueConfig
from clvml.decide.plan_file import read_plan
from clvml.errors import InputError
from clvml.report.document import build_page
from clvml.report.facts import Facts, read_facts
from clvml.scores.age import age_notes
from clvml.scores.batches import ScoredTable
from clvml.scores.overview import origin_of, overview_path, read_overview
from clvml.scores.subscribers import SubscriberScores
from clvml.storage.files import replacing
from clvml.storage.outputs import check_output
from clvml.workflows.valuation import acquired, value_notes


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes
    ----------
    subscribers : bool
        The customers subscribe.
    size : int
        Of the page [bytes].
    notes : list of str
        What the page could not say.
    """

    customers: int
    subscribers: bool
    size: int
    notes: list[str]


def page_of(scored: ScoredTable | SubscriberScores) -> str:
    """Return the report on scored rows that are in no file yet, in English."""
    with tempfile.TemporaryDirectory(prefix="clvml-") as folder:
        path = Path(folder) / "scores.parquet"
        scored.write(path)
        return build_page(read_facts(path, scored.overview))


def _summary_of(plan: Path, facts: Facts) -> dict[str, Any]:
    _, record = read_plan(plan)
    if (record.as_of, record.horizon_days) != (facts.as_of, facts.horizon_days) or (
        record.summary["customers"] != facts.customers
    ):
        raise InputError(
            f"plan '{plan}' is of {record.summary['customers']:,} customers as of {record.as_of}, and the scores are of"
            f" {facts.customers:,} as of {facts.as_of}; give the plan that was made of them"
        )
    return {**record.summary, "campaign": record.campaign}


def report(
    scores: Path,
    output: Path,
    code: str,
    name: str,
    today: date,
    plan: Path | None = None,
    won: tuple[Path, Path] | None = None,
) -> WrittenReport:
    """Write the report on a scored file.

    Parameters
    ----------
    scores : Path
        What `clvml score` wrote; its overview is read from beside it.
    output : Path
        The page (.html).
    code : str
        Language: en, fr or de.
    name : str
        Of the business, shown below the title.
    today : date
        Tells how old the scores are.
    plan : Path, optional
        What `clvml plan` wrote of these scores: its profit curve then stands in the place of an assumed call's.
    won : tuple of Path, optional
        Where customers came from and when, and what was spent to win them (`clvml.decide.acquisition`).

    Raises
    ------
    InputError
        The scored file or another cannot be read, the plan is of other scores, the output cannot be written, or the
        language is not known.
    """
    check_output(output, (".html", ".htm"), str(scores))
    overview = read_overview(scores)
    facts = read_facts(scores, overview)
    if plan is not None:
        facts = replace(facts, plan=_summary_of(plan, facts))
    told: list[str] = []
    if won is not None:
        value = origin_of(scores).value
        found = acquired(scores, *won, value or ValueConfig())
        facts = replace(facts, won=found.by_source)
        told = [*found.notes, *value_notes(value)]
    page = build_page(facts, code, name=name, today=today).encode()
    with replacing(output) as draft:
        draft.write_bytes(page)
    trained = overview["trained_as_of"] if overview else None
    notes = age_notes(
        facts.as_of, facts.horizon_days, today, date.fromisoformat(trained) if trained else None
    )
    if overview is None:
        notes.append(
            f"'{overview_path(scores)}' is not there: without it the page knows no currency, no past turnover, no"
            " test and no data check; `clvml score` writes it beside the scored file"
        )
    elif not overview["evidence"]:
        notes.append("the model holds no test on past dates, so the page cannot say how far to trust it")
    return WrittenReport(facts.customers, facts.subscribers, len(page), [*notes, *told])
