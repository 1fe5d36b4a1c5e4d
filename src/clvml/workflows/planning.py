"""From a scored table and a playbook to a plan, its file and its lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from clvml.decide.eligibility import read_customers
from clvml.decide.lists import refuse_strangers, target_lists
from clvml.decide.plan import Plan, make_plan
from clvml.decide.plan_file import PlanRecord
from clvml.decide.plan_file import write_plan as write_plan_files
from clvml.decide.playbook import Playbook, parse_playbook, read_playbook
from clvml.errors import InputError
from clvml.outcomes.readback import Readback
from clvml.scores.overview import Origin, origin_of
from clvml.scores.scorer import scored_table


def plan(
    scores: pd.DataFrame | str | Path,
    playbook: Playbook | Mapping[str, Any] | str | Path,
    budget: float | None = None,
    today: date | None = None,
) -> Plan:
    """Decide which customer gets which action, to bring most profit within a budget.

    Parameters
    ----------
    scores : DataFrame, str or Path
        The scored table, whose ``attrs`` may name the ``currency``, or its file.
    playbook : Playbook, mapping, str or Path
        What can be done; its YAML file, or its keys.
    budget : float, optional
        Expected cost at most [currency]; without one: as much as pays.
    today : date, optional
        Past contacts after it are refused; the present day where left out.

    Raises
    ------
    InputError
        Scores, playbook or a file that it names are at fault.
    """
    if isinstance(playbook, Mapping):
        playbook = parse_playbook(dict(playbook))
    elif not isinstance(playbook, Playbook):
        playbook = read_playbook(playbook)
    table = scored_table(scores)
    opt_outs = read_customers(playbook.opt_outs, ["customer_id"], "opt-outs") if playbook.opt_outs else None
    past = (
        read_customers(playbook.past_contacts, ["customer_id", "contact_date"], "past contacts")
        if playbook.past_contacts
        else None
    )
    if isinstance(scores, pd.DataFrame):
        origin = Origin(currency=scores.attrs.get("currency"))
    else:
        origin = origin_of(Path(scores))
    if playbook.currency is None:
        playbook = playbook.model_copy(update={"currency": origin.currency})
    elif origin.currency is not None and origin.currency.upper() != playbook.currency.upper():
        raise InputError(
            f"the costs of the playbook are in {playbook.currency}, and the scores in {origin.currency}; give costs"
            f" in {origin.currency}, and currency: {origin.currency} in the playbook"
        )
    return make_plan(table, playbook, budget, opt_outs, past, today or date.today(), origin.trained_as_of)


def write_plan(
    made: Plan,
    path: Path,
    folder: Path | None = None,
    contacts: str | None = None,
    preset: str = "generic",
    fields: Sequence[str] = (),
) -> tuple[dict[str, Path], list[str]]:
    """Write a plan (.csv or .parquet) with its record and its target lists, all or none.

    Parameters
    ----------
    folder : Path, optional
        Where a target list per action goes, made where it is not there; no lists without it.
    contacts, preset, fields
        See `clvml.decide.lists.target_lists`; ``contacts`` is a file.

    Returns
    -------
    dict of str to Path
        The target lists by action.
    list of str
        Whom the lists leave out, and lists of an earlier plan that are not to be sent.

    Raises
    ------
    InputError
        See `clvml.decide.lists.target_lists`; or a folder cannot be made or written.
    """
    if folder is None:
        write_plan_files(made.table, made.record, path)
        return {}, []
    known = read_customers(contacts, ["customer_id"], "contacts") if contacts else None
    if known is not None:
        refuse_strangers(known, made.table["customer_id"])
    lists, notes = target_lists(made.table, known, preset, fields)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder '{folder}' of the lists cannot be made: {error.strerror or error}; choose another"
        ) from None
    places = {
        action: folder / f"{made.record.campaign}-{action}.csv" for action in made.record.playbook.actions
    }
    paths = {action: places[action] for action in lists}
    write_plan_files(made.table, made.record, path, {paths[action]: rows for action, rows in lists.items()})
    stale = [str(place) for action, place in places.items() if action not in lists and place.exists()]
    if stale:
        notes.append(
            f"{', '.join(stale)}: of an earlier plan; this one has nobody for it: remove it, and send it to nobody"
        )
    return paths, notes


def log_campaign(
    record: PlanRecord, uri: str | None, found: Readback | None = None
) -> tuple[str | None, list[str]]:
    """Log a plan, or the readback of it, beside the model of its scores: the run, and what to know.

    Where that fails a note says why, for the result is worth having all the same. ``uri`` is None where no tracking
    store is in use.
    """
    from clvml.tracking import campaign_runs

    if uri is None:
        return None, []
    if not record.run_id:
        return None, ["not logged: the scores do not say which training made their model"]
    try:
        if found is not None:
            return campaign_runs.log_readback(found, record, uri), []
        return campaign_runs.log_plan(record, uri)
    except InputError as error:
        return None, [f"not logged: {error}"]
