"""What `clvml check` does for subscriptions."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import typer

from clvml.cli.inputs import now
from clvml.cli.printing import print_json, print_list, print_paragraph, print_table

if TYPE_CHECKING:
    import pandas as pd

    from clvml.config import SubscriptionConfig


def check_subscriptions(
    settings: SubscriptionConfig, source: str | None, until: date | None, as_json: bool
) -> bool:
    """Report the quality of a table of subscriptions; return whether it is long enough."""
    from clvml import workflows
    from clvml.customers.cohorts import retention

    prepared = workflows.prepare_subscriptions(settings.data, now(), source, until)
    enough, history = workflows.check_subscription_length(prepared, settings)
    if as_json:
        print_json(
            {
                **prepared.log.quality.to_dict(),
                "as_of": prepared.as_of,
                "columns_read": settings.data.mapped(),
                "horizon_days": settings.windows.horizon_days,
                "enough_history": enough,
                "history": history,
                "retention": retention(prepared.log.frame, prepared.as_of).to_dict("records"),
            }
        )
        return enough
    typer.echo(prepared.log.quality.to_text())
    print_paragraph(history)
    _print_retention(retention(prepared.log.frame, prepared.as_of, "quarter"))
    print_list("Notes", [prepared.note] if prepared.note else [])
    return enough


def _print_retention(table: pd.DataFrame) -> None:
    from clvml.customers.cohorts import MONTHS_SHOWN
    from clvml.scores.columns import whom
    from clvml.scores.overview import COHORTS

    shown = [month for month in MONTHS_SHOWN if (table["month"] == month).any()]
    newest = sorted(table["cohort"].unique())[-COHORTS:]
    for title, column in (
        ("Subscribed after", "retention"),
        ("Revenue after", "revenue_retention"),
    ):
        shares = table.set_index(["cohort", "month"])[column].dropna()
        sizes = table.groupby("cohort")["customers"].first()
        print_table(
            [title, whom(True), *(f"{month} months" if month > 1 else "1 month" for month in shown)],
            [
                [
                    cohort,
                    f"{sizes[cohort]:,}",
                    *(
                        f"{shares[cohort, month]:.0%}" if (cohort, month) in shares else "-"
                        for month in shown
                    ),
                ]
                for cohort in newest
            ],
        )
