"""Learning from a past experiment: every treatment against the control group, and what goes into the playbook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clvml.decide.playbook import Playbook, SaveRate, write_playbook
from clvml.decide.uplift import Experiment, Uplift, learn
from clvml.errors import InputError, did_you_mean
from clvml.scores.columns import COLUMNS
from clvml.scores.rules import columns_of
from clvml.storage.files import replacing


def uplift(experiment: Experiment) -> list[Uplift]:
    """Return what each treatment does to each outcome, in the order of the outcomes."""
    return [
        learn(experiment, arm, str(outcome)) for outcome in experiment.outcomes for arm in experiment.arms
    ]


def save_rates(found: Sequence[Uplift], campaign: str) -> dict[str, SaveRate]:
    """Return the save rate of each treatment, by the first outcome that is 0 or 1.

    Treatments of which nothing can be said, because their group is not like the control group, are missing.
    """
    rates: dict[str, SaveRate] = {}
    for each in found:
        rate = each.save_rate(campaign)
        if rate is not None:
            rates.setdefault(each.arm, rate)
    return rates


def with_save_rates(
    playbook: Playbook, rates: Mapping[str, SaveRate], actions: Mapping[str, str]
) -> Playbook:
    """Return a playbook with learnt save rates in the place of its own.

    Parameters
    ----------
    rates : mapping of str to SaveRate
        By treatment.
    actions : mapping of str to str
        The action of each treatment, where it is called otherwise.

    Raises
    ------
    InputError
        A treatment is not an action of the playbook.
    """
    unknown = sorted(set(actions) - set(rates))
    if unknown:
        raise InputError(
            f"--action: nothing was learnt of a treatment '{unknown[0]}'{did_you_mean(unknown[0], rates)}; there are"
            f" {', '.join(map(repr, rates)) or 'none'}"
        )
    changed = dict(playbook.actions)
    for arm, rate in rates.items():
        name = actions.get(arm, action_name(arm))
        if name not in changed:
            raise InputError(
                f"treatment '{arm}' is not an action of the playbook{did_you_mean(name, changed)}; say which with"
                f" --action '{arm}=NAME', one of {', '.join(changed)}"
            )
        changed[name] = changed[name].model_copy(update={"save_rate": rate})
    return playbook.model_copy(update={"actions": changed})


def action_name(arm: str) -> str:
    """Return a treatment's name as a key of the playbook.

    >>> action_name("Womens E-Mail")
    'womens_e-mail'
    """
    name = re.sub(r"[^a-z0-9_.-]+", "_", arm.lower()).strip("_.-")
    return name or "action"


def write_save_rates(
    rates: Mapping[str, SaveRate], output: Path, playbook: Playbook | None, actions: Mapping[str, str]
) -> None:
    """Write save rates as YAML: into a playbook, or alone, to be pasted into one."""
    if playbook is not None:
        write_playbook(with_save_rates(playbook, rates, actions), output)
        return
    raw: dict[str, Any] = {
        actions.get(arm, action_name(arm)): {"save_rate": rate.model_dump(mode="json", exclude_none=True)}
        for arm, rate in rates.items()
    }
    with replacing(output) as draft:
        draft.write_text(
            yaml.safe_dump({"actions": raw}, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def missing_columns(rates: Mapping[str, SaveRate]) -> list[str]:
    """Return the columns that rules of learnt effects read and a scored file does not have of itself, sorted."""
    rules = [group.where for rate in rates.values() for group in rate.by]
    return sorted({name for rule in rules for name in columns_of(rule, "save_rate.by")} - set(COLUMNS))
