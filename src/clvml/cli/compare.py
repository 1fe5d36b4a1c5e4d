"""clvml compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import load_any_config, store_uri
from clvml.cli.options import ConfigOption, JsonOption
from clvml.cli.printing import print_json, print_list, print_paragraph, print_table, progress

if TYPE_CHECKING:
    from clvml.tracking.comparison import ComparedRun, Comparison


def compare(
    experiment: Annotated[str | None, typer.Option("--experiment", "-e", help="MLflow experiment.")] = None,
    config: ConfigOption = None,
    by: Annotated[str, typer.Option("--by", help="Metric to sort by.")] = "wape",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Newest runs to look at.")] = 20,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the comparison as a page (.html).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the runs of an experiment, best first, each against the champion."""
    from clvml import workflows

    names = load_any_config(config, None).tracking if config else None
    found = workflows.compare(
        experiment or (names.experiment if names else None),
        names.registered_model if names else "clvml",
        store_uri(),
        by,
        limit,
        output,
        progress,
    )
    if as_json:
        print_json({**workflows.comparison_dict(found), "output": str(output) if output else None})
        return
    _print_comparison(found)
    if output is not None:
        typer.echo(f"\nThe page is {output}")


def _print_comparison(found: Comparison) -> None:
    from clvml.tracking.campaign_runs import campaign_table, campaigns_sentence
    from clvml.tracking.comparison_text import (
        champion_sentence,
        left_out_sentence,
        settings_text,
        short,
        standing,
        summary,
        table,
        why,
    )

    print_paragraph(f"Runs of '{found.experiment}', best first by {found.metric}. {champion_sentence(found)}")
    header, rows = table(found)
    print_table(header, rows)

    def line(one: ComparedRun) -> str:
        parts = why(one) or [standing(one, found.champion)]
        if found.champion and one.run.run_id != found.champion.run_id:
            parts.append(f"settings: {settings_text(one)}")
        return f"{short(one.run)}: {'; '.join(parts)}"

    print_list(
        "Against the champion on the same customers and dates, where chance is ruled out at 95%",
        [line(one) for one in found.runs],
    )
    if text := summary(found):
        typer.echo()
        print_paragraph(text)
    if found.campaigns:
        print_table(*campaign_table(found.campaigns))
    notes = [left_out_sentence(found), campaigns_sentence(found.campaigns)]
    print_list("Notes", [text for text in notes if text])
