"""clvml backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import load_any_config, now, parse_date
from clvml.cli.options import AsOfOption, ConfigOption, DataOption, JsonOption, SetOption
from clvml.cli.printing import print_json, print_leaderboard, print_list, print_margin, progress

if TYPE_CHECKING:
    from clvml.workflows import Prepared


def backtest(
    config: ConfigOption = None,
    data: DataOption = None,
    folds: Annotated[int | None, typer.Option("--folds", min=1, max=24, help="Test cutoffs.")] = None,
    as_of: AsOfOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the model with the baselines at several past dates; nothing is logged."""
    from clvml import workflows
    from clvml.config import SubscriptionConfig
    from clvml.evaluation.backtest import GIVEN_GROUPS
    from clvml.evaluation.margin_forecasts import margin_table
    from clvml.storage.addresses import hide_password

    settings = load_any_config(config, overrides, data)
    until = parse_date(as_of)
    progress(f"reading {hide_password(settings.data.source)}")
    prepared: Prepared
    if isinstance(settings, SubscriptionConfig):
        prepared = workflows.prepare_subscriptions(settings.data, now(), as_of=until)
        result = workflows.backtest_contract(prepared, settings, folds, progress)
    else:
        prepared = workflows.prepare(settings.data, now(), as_of=until)
        result = workflows.backtest(prepared, settings, folds, progress)
    margins = margin_table(result.predictions, result.models, settings.value.margin)
    if as_json:
        headline = workflows.headline_metrics(result)
        day, reached = workflows.reach(result)
        print_json(
            {
                "as_of": prepared.as_of,
                "answer": workflows.answer(result),
                "headline": headline,
                "churn_cutoffs": {"as_of": day, "reached": reached.to_dict("records")},
                "margin": margins.to_dict("records"),
                **{
                    group: result.without[group].to_dict() if group in result.without else None
                    for group in GIVEN_GROUPS
                },
                **result.leaderboard.to_dict(),
            }
        )
        return
    print_leaderboard(result)
    print_margin(margins.to_dict("records"), result.subscribers)
    print_list("Notes", [*filter(None, [prepared.note]), *workflows.given_notes(result)])
