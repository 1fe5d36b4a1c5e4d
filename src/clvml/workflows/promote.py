"""Making a model the champion, or returning to the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clvml import tracking
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
    """Make a model the champion, or return to the champion before.

    Parameters
    ----------
    reference : str or None
        A version, an alias, ``models:/NAME/VERSION`` or a run; None with `rollback`.
    registered_model : str
    uri : str
        From `clvml.tracking.tracking_uri`.
    force : str, optional
        A reason to promote without being better; of a rollback, why.
    rollback : bool
    progress : callable
        Told what is being done.

    Raises
    ------
    InputError
        Neither a reference nor `rollback` is given, or both, or the reason is empty; and as `tracking.promotion` says.
    """
    if rollback == (reference is not None):
        raise InputError(
            "give a version or run to promote (such as challenger), or --rollback, one of the two"
        )
    if force is not None and not force.strip():
        raise InputError("--force needs a reason, which is recorded: --force 'new prices since May'")
    if reference is None:
        progress("returning to the champion before")
        return tracking.rollback(registered_model, uri, force)
    progress(f"comparing '{reference}' with the champion")
    return tracking.promote(reference, registered_model, uri, force)
