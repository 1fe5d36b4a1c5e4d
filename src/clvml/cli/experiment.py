"""clvml experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import now, store_uri
from clvml.cli.options import DataOption, JsonOption, SetOption
from clvml.cli.printing import (
    print_json,
    print_list,
    print_mlflow_page,
    print_paragraph,
    print_table,
    progress,
)
from clvml.cli.screen import learn_file

if TYPE_CHECKING:
    from clvml.experiments.runner import Outcome


def experiment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Experiment: experiments/NNN-name.yaml.")],
    data: DataOption = None,
    overrides: SetOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run finished variants again.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=64, help="Variants at once. Default: half the cores."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the variants that a file defines, compare them, log to MLflow, write the result beside the file."""
    # The file is checked before anything heavy is loaded.
    from clvml.experiments.definition import read_experiment

    learn_file(file)
    definition = read_experiment(file, overrides, data)

    from clvml.experiments.choice import answer
    from clvml.experiments.conduct import conduct, outcome_dict

    uri = store_uri()
    outcome = conduct(definition, uri, now(), fresh, workers, progress)
    if as_json:
        print_json(outcome_dict(outcome, uri))
        return
    typer.echo()
    print_paragraph(answer(outcome.comparison))
    _print_variants(outcome)
    failed = [f"{r.variant.name}: {r.error}" for r in outcome.results if r.error]
    print_list("Failed; run the command again to try them again", failed)
    typer.echo(f"\nThe page is {outcome.page}. The runs are in experiment '{outcome.experiment}':")
    print_mlflow_page(uri, outcome.mlflow_page)


def _print_variants(outcome: Outcome) -> None:
    from clvml.evaluation.leaderboard import METRICS
    from clvml.experiments.choice import value_text, values

    comparison = outcome.comparison
    metric = METRICS[comparison.metric]
    rows = [[name] for name in comparison.ranked()]
    for board in (comparison.earlier, comparison.last):
        gains, found = comparison.gains(board), values(board)
        for row in rows:
            text = value_text(board, metric.name, found[row[0], metric.name])
            row += [text, gains[row[0]].verdict if row[0] in gains else "base"]
    print_table(["Variant", "choosing", "against base", "last date", "against base"], rows)
    typer.echo(f"\n{metric.label}: {metric.description}")
