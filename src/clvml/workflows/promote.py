"""Making a model the champion, or returning to the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.tracking.promotion import Promotion


def promote(
    reference: str | None,
    registered_model: str,
    uri: str,
    force: str | None = None,
    rollback: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Promotion:
    """Make a model the champion, or with ``rollback`` and no ``reference`` return to the champion before.

    The parameters are those of `clvml.tracking.promotion.promote`; of a rollback, ``force`` says why.

    Raises
    ------
    InputError
        Neither a reference nor `rollback` is given, or both, or the reason is empty; and as `promotion.promote` says.
    """
    from clvml.tracking import promotion

    if rollback == (reference is not None):
        raise InputError(
            "give a version or run to promote (such as challenger), or --rollback, one of the two"
        )
    if force is not None and not force.strip():
        raise InputError("--force needs a reason, which is recorded: --force 'new prices since May'")
    if reference is None:
        progress("returning to the champion before")
        return promotion.rollback(registered_model, uri, force)
    progress(f"comparing '{reference}' with the champion")
    return promotion.promote(reference, registered_model, uri, force)
