"""Notes on the age of scores and of their model."""

from __future__ import annotations

from datetime import date


def age_notes(
    as_of: date, horizon_days: int, today: date | None = None, trained_as_of: date | None = None
) -> list[str]:
    """Return notes on old or future scores, and on an old or later model; empty where all is usual.

    Parameters
    ----------
    as_of : date
        Date of the scores.
    horizon_days : int
        Days of future predicted.
    today : date, optional
        None where the user asked for a past date.
    trained_as_of : date, optional
        The first day that the model did not see; None where it is not known.

    >>> age_notes(date(2024, 6, 1), 90, date(2024, 8, 1), date(2024, 5, 1))
    []
    >>> len(age_notes(date(2024, 6, 1), 90, date(2024, 12, 1), date(2023, 6, 1)))
    2
    >>> len(age_notes(date(2024, 6, 1), 90, date(2024, 3, 1)))
    1
    """
    notes = []
    silent = (today - as_of).days if today else 0
    if silent > horizon_days:
        notes.append(
            f"the scores are as of {as_of}, {silent:,} days ago and longer than the horizon of {horizon_days:,} days:"
            " they say what was to be expected then, not what is ahead"
        )
    # Scores of today's orders are as of tomorrow, which may have begun in another time zone.
    elif today and silent < -2:
        notes.append(
            f"the scores are as of {as_of}, {-silent:,} days ahead: nobody has seen what is ordered until then, and"
            " waiting customers look as if they had left; check the date"
        )
    if trained_as_of is None:
        return notes
    age = (as_of - trained_as_of).days
    if age > horizon_days:
        notes.append(
            f"the model was trained {age:,} days before {as_of}, longer ago than its horizon of {horizon_days:,} days;"
            " train it again"
        )
    elif age < 0:
        notes.append(
            f"the model was trained on data up to {trained_as_of}, after {as_of}: it has seen what it predicts here"
        )
    return notes
