"""The report on a scored file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from clvml.report.facts import read_facts
from clvml.report.page import build_page
from clvml.scores.age import age_notes
from clvml.scores.batches import ScoredTable
from clvml.scores.overview import overview_path, read_overview
from clvml.storage.files import replacing
from clvml.storage.outputs import check_output


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes
    ----------
    customers : int
    size : int
        Of the page [bytes].
    notes : list of str
        What the page could not say.
    """

    customers: int
    size: int
    notes: list[str]


def page_of(scored: ScoredTable) -> str:
    """Return the report on scored rows that are in no file yet, in English."""
    with tempfile.TemporaryDirectory(prefix="clvml-") as folder:
        path = Path(folder) / "scores.parquet"
        scored.write(path)
        return build_page(read_facts(path, scored.overview))


def report(scores: Path, output: Path, code: str, name: str, today: date) -> WrittenReport:
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

    Raises
    ------
    InputError
        The scored file cannot be read, the output cannot be written, or the language is not known.
    """
    check_output(output, (".html", ".htm"), str(scores))
    overview = read_overview(scores)
    facts = read_facts(scores, overview)
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
    return WrittenReport(facts.customers, len(page), notes)
