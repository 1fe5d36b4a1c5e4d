"""Who is champion: a challenger that is better out of time, or one that somebody answers for.

MLflow moves an alias without asking whether it has moved meanwhile, on a server as in a file. So a promotion
first announces itself by a tag on the registered model and then looks whether anybody else has: of two at the
same time, at least the later sees the other. The alias is the last thing written, and alone decides: whatever
breaks off before it has changed nothing.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clvml.errors import InputError
from clvml.evaluation.versus import short_label
from clvml.models.model_file import OlderFormat
from clvml.scores.subscribers import load_scorer
from clvml.tracking.comparison import ComparedRun, held_against
from clvml.tracking.comparison_text import why
from clvml.tracking.description import user_name
from clvml.tracking.liveness import is_dead, mark
from clvml.tracking.past import PastRun, past_run
from clvml.tracking.registry import check_model, ensure_registered, find_run
from clvml.tracking.runs import version_tags
from clvml.tracking.session import MlflowException, Store, mlflow, open_store, registered_aliases

HISTORY_TAG = "champion_history"
CLAIM_PREFIX = "promotion_under_way."
HISTORY_KEPT = 50
NOBODY = "nobody"
LONGEST_REASON = 500
# A promotion takes seconds; one that announced itself so long ago was broken off.
ABANDONED_SECONDS = 600
WAIT_SECONDS = 20.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Promotion:
    """What a promotion or a rollback did.

    Attributes
    ----------
    version : str
        The champion now.
    replaced : str
        The champion before; empty where there was none.
    reason : str
        Why, in words; also in the version's tags.
    changed : bool
        False where the version was the champion already.
    compared : ComparedRun or None
        The test against the champion before, where there was one.
    """

    registered_model: str
    version: str
    replaced: str
    reason: str
    changed: bool
    compared: ComparedRun | None = None


def promote(reference: str, registered_model: str, uri: str, force: str | None = None) -> Promotion:
    """Make a version the champion, if it is better than the champion out of time on the same data.

    The rule: clearly better (at 95 %, customers drawn in pairs) in at least one of `comparison.HEADLINE`, and
    clearly worse in none of them. A champion of an older format, which this clvml cannot read, gives way to any.

    Parameters
    ----------
    reference : str
        A version, an alias, ``models:/NAME/VERSION`` or a run.
    registered_model : str
        The name that versions and aliases are of.
    force : str, optional
        A reason to make it champion without being better.

    Raises
    ------
    InputError
        It is not better, cannot be compared, is not a model of clvml, is not there, or somebody else promotes at
        the same time. Nothing has changed then.
    """
    with open_store(uri, must_exist=True) as store:
        run = past_run(store, reference, registered_model)
        _check_run(store, run)
        name = run.registered_model or run.tags.get("registered_model", "") or registered_model
        before = registered_aliases(store, name).get("champion", "")
        if run.version and run.version == before:
            return Promotion(name, before, before, "it is the champion already", changed=False)
        check_model(store, run.run_id, name, run.version)
        compared = None
        readable = bool(before) and _is_readable(store, name, before)
        if readable and force is None:
            (compared,) = held_against(store, past_run(store, before, name), [run])
            _check_better(compared, name, before)
        reason = _reason(compared, force, before)
        # Only a name that is registered can hold the announcement.
        ensure_registered(store, name)
        with _alone(store, name):
            _check_unchanged(store, name, before)
            version = run.version or _register(store, run, name)
            _record(store, name, version, before, reason)
            store.client.set_registered_model_alias(name, "champion", version)
            if registered_aliases(store, name).get("challenger") == version:
                store.client.delete_registered_model_alias(name, "challenger")
        return Promotion(name, version, before, reason, changed=True, compared=compared)


def rollback(registered_model: str, uri: str, reason: str | None = None) -> Promotion:
    """Return to the champion before the present one.

    Raises
    ------
    InputError
        There is none, it was deleted, or somebody else promotes at the same time. Nothing has changed then.
    """
    with open_store(uri, must_exist=True) as store:
        # For its errors: no such model, no champion.
        champion = past_run(store, "champion", registered_model)
        with _alone(store, registered_model):
            _check_unchanged(store, registered_model, champion.version)
            # How it last became the champion: later steps are of promotions that were broken off or rolled back.
            replaced = [old for old, new in _history(store, registered_model) if new == champion.version]
            if not replaced or not replaced[-1]:
                raise InputError(
                    f"version {champion.version} of '{registered_model}' did not replace another by 'clvml "
                    "promote', so there is none to return to; 'clvml promote VERSION --force REASON' makes any "
                    "version the champion"
                )
            previous = past_run(store, replaced[-1], registered_model)
            check_model(store, previous.run_id, registered_model, previous.version)
            said = f"rolled back from version {champion.version}{f': {reason}' if reason else ''}"
            _set_tags(
                store,
                registered_model,
                champion.version,
                {"rolled_back_at": _now(), "rolled_back_by": user_name()},
            )
            _set_tags(store, registered_model, previous.version, {"promotion_reason": said[:LONGEST_REASON]})
            store.client.set_registered_model_alias(registered_model, "champion", previous.version)
        return Promotion(registered_model, previous.version, champion.version, said, changed=True)


def _check_run(store: Store, run: PastRun) -> None:
    if run.status == "deleted":
        raise InputError(
            f"run '{run.run_id}' ({run.name}) was deleted in '{store.shown}'; restore it with 'mlflow runs restore "
            f"--run-id {run.run_id}', or promote another"
        )
    if run.status != "finished":
        raise InputError(
            f"run '{run.run_id}' ({run.name}) is {run.status}, not finished; promote one that finished"
        )


def _check_better(compared: ComparedRun, name: str, champion: str) -> None:
    what = f"{compared.run.label} of '{name}'" if compared.run.version else compared.run.label
    force = "or say why with --force REASON"
    if compared.obstacle:
        raise InputError(
            f"{what} cannot be held against the champion (version {champion}): {compared.obstacle}; train both "
            "on the same data and dates ('clvml train --from-run' trains a recorded configuration again, with "
            f"--data on other data), {force}"
        )
    if compared.metrics_with("worse"):
        raise InputError(
            f"{what} is not better than the champion (version {champion}): {'; '.join(reversed(why(compared)))}; "
            f"keep the champion, {force}"
        )
    if not compared.metrics_with("better"):
        alike = compared.metrics_with("no clear difference")
        raise InputError(
            f"{what} is not clearly better than the champion (version {champion}) in any of "
            f"{', '.join(map(short_label, alike))}; keep the champion, {force}"
        )


def _is_readable(store: Store, name: str, version: str) -> bool:
    """Whether a version is not of an older format; what else is wrong with it is no reason to give it up."""
    with contextlib.suppress(InputError):
        try:
            load_scorer(check_model(store, "", name, version))
        except OlderFormat:
            return False
    return True


def _reason(compared: ComparedRun | None, force: str | None, before: str) -> str:
    if force is not None:
        return f"forced: {force}"[:LONGEST_REASON]
    if compared is None:
        return f"this clvml cannot read version {before}" if before else "the first champion"
    return "; ".join(why(compared))[:LONGEST_REASON]


def _check_unchanged(store: Store, name: str, before: str) -> None:
    now = registered_aliases(store, name).get("champion", "")
    if now != before:
        raise InputError(
            f"the champion of '{name}' has just become version {now or 'none'} (it was {before or 'none'}); nothing "
            "was changed: look at 'clvml compare' and decide again"
        )


def _register(store: Store, run: PastRun, name: str) -> str:
    model_id = find_run(store, run.run_id).outputs.model_outputs[-1].model_id
    found = mlflow.register_model(f"models:/{model_id}", name, tags=version_tags(run.tags))
    return str(found.version)


def _record(store: Store, name: str, version: str, before: str, reason: str) -> None:
    steps = [*_history(store, name), (before, version)][-HISTORY_KEPT:]
    text = ", ".join(f"{replaced or NOBODY} > {champion}" for replaced, champion in steps)
    store.client.set_registered_model_tag(name, HISTORY_TAG, text)
    tags = {
        "promoted_at": _now(),
        "promoted_by": user_name(),
        "promoted_over": before,
        "promotion_reason": reason,
    }
    _set_tags(store, name, version, tags)


def _set_tags(store: Store, name: str, version: str, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if value:
            store.client.set_model_version_tag(name, version, key, value)


def _history(store: Store, name: str) -> list[tuple[str, str]]:
    """Return who replaced whom, oldest first: ``[(champion before, champion after)]``."""
    text = store.client.get_registered_model(name).tags.get(HISTORY_TAG, "")
    steps = [re.fullmatch(rf"(\d+|{NOBODY}) > (\d+)", part.strip()) for part in text.split(",")]
    return [(step[1].replace(NOBODY, ""), step[2]) for step in steps if step]


@contextmanager
def _alone(store: Store, name: str) -> Iterator[None]:
    """Hold the announcement of this promotion; InputError where another one is under way."""
    mine = CLAIM_PREFIX + uuid.uuid4().hex
    store.client.set_registered_model_tag(
        name, mine, json.dumps({"by": user_name(), "at": _now(), "process": mark()})
    )
    try:
        _wait_for_others(store, name, mine)
        yield
    finally:
        with contextlib.suppress(MlflowException):
            store.client.delete_registered_model_tag(name, mine)


def _wait_for_others(store: Store, name: str, mine: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while others := {key: told for key, told in _claims(store, name).items() if key != mine}:
        # Two that see each other: the one that comes first in the alphabet waits for the other to give way.
        # One that does not give way saw nobody when it looked, and is at work.
        if min(others) < mine or time.monotonic() > until:
            raise InputError(
                f"{_whose(others[min(others)])} promotes a version of '{name}' at this moment; nothing was changed:"
                " look at 'clvml compare' and decide again"
            )
        time.sleep(LOOK_SECONDS)


def _claims(store: Store, name: str) -> dict[str, dict[str, str]]:
    """Return the announcements of promotions that may be at work; those of the dead are taken away."""
    found = {}
    for key, value in store.client.get_registered_model(name).tags.items():
        if not key.startswith(CLAIM_PREFIX):
            continue
        try:
            claim = {part: str(told) for part, told in json.loads(value).items()}
            age = (datetime.now(UTC) - datetime.fromisoformat(claim["at"])).total_seconds()
        except (ValueError, KeyError, TypeError, AttributeError):
            claim, age = {}, float("inf")
        if age > ABANDONED_SECONDS or is_dead(claim.get("process", "")):
            store.client.delete_registered_model_tag(name, key)
        else:
            found[key] = claim
    return found


def _whose(claim: dict[str, str]) -> str:
    """Return who announced a promotion, since when, and until when that counts."""
    since = datetime.fromisoformat(claim["at"])
    until = since + timedelta(seconds=ABANDONED_SECONDS)
    return (
        f"{claim.get('by') or 'somebody'} (since {since:%H:%M:%S} {since.tzname()}; if that was broken off, it"
        f" counts until {until:%H:%M:%S})"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
