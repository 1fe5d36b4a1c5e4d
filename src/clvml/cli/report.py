"""clvml report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clvml.cli.inputs import both_or_none, now
from clvml.cli.options import AcquiredOption, JsonOption, SpendOption
from clvml.cli.printing import print_json, print_list


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write (.html).")],
    scores: Annotated[
        Path, typer.Option("--scores", help="What `clvml score` wrote (.csv or .parquet).")
    ] = Path("scores.csv"),
    lang: Annotated[str, typer.Option("--lang", help="en, fr or de.")] = "en",
    name: Annotated[str | None, typer.Option("--name", help="Of the business, below the title.")] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Plan of these scores: its profit curve is shown.")
    ] = None,
    acquired: AcquiredOption = None,
    spend: SpendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page about the customers that anybody can read: one file, no script, no request."""
    from clvml import workflows
    from clvml.scores.columns import whom

    written = workflows.report(
        scores, output, lang, name or "", now().date(), plan, both_or_none(acquired, spend)
    )
    if as_json:
        print_json({"output": str(output), "bytes": written.size, "notes": written.notes})
        return
    typer.echo(
        f"The report on {written.customers:,} {whom(written.subscribers)} is in {output}; open it in a browser."
    )
    print_list("Notes", written.notes)
