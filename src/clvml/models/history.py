"""Checks of the inputs of the purchase and spend models: arrays with one row per customer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def check_vector(name: str, values: ArrayLike, length: int | None = None, least: float = 0.0) -> Array:
    """Return ``values`` as a one-dimensional float array of finite numbers >= ``least``.

    Raises
    ------
    ValueError
        If values are not numbers, missing, infinite or too small; if they are not one row per customer.

    Examples
    --------
    >>> check_vector("T", [300, -1, 20])
    Traceback (most recent call last):
    ...
    ValueError: T must be >= 0 and finite: 1 of 3 rows is not (row 1: -1.0)
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers without missing values: {error}") from error
    if vector.ndim != 1:
        raise ValueError(f"{name} must have one dimension (one row per customer), got shape {vector.shape}")
    if length is not None and len(vector) != length:
        raise ValueError(
            f"{name} must have one row per customer: got {len(vector)} rows for {length} customers"
        )
    rule = f"{name} must be finite" if least == -math.inf else f"{name} must be >= {least:g} and finite"
    _refuse(rule, ~(np.isfinite(vector) & (vector >= least)), vector)
    return vector


def check_history(frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Array, Array, Array]:
    """Return ``frequency``, ``recency`` and ``T`` as float arrays of one length, each history possible.

    Raises
    ------
    ValueError
        If `check_vector` refuses one of them; if a frequency is not a whole number, a recency exceeds ``T``, or
        ``recency`` is 0 for a customer who came back or above 0 for one who did not.

    Examples
    --------
    >>> check_history([0, 2], [0, 0], [10, 10])
    Traceback (most recent call last):
    ...
    ValueError: recency must be > 0 exactly where frequency is > 0: 1 of 2 rows is not (row 1: 2.0, 0.0)
    """
    x = check_vector("frequency", frequency)
    t_x = check_vector("recency", recency, len(x))
    age = check_vector("T", T, len(x))
    _refuse("frequency must be a whole number of repeat purchase days", x != np.floor(x), x)
    _refuse("recency (first number) must be <= T (second)", t_x > age, t_x, age)
    _refuse("recency must be > 0 exactly where frequency is > 0", (x > 0) != (t_x > 0), x, t_x)
    return x, t_x, age


def check_params(params: Mapping[str, object], names: Iterable[str]) -> dict[str, float]:
    """Return the named parameters as floats.

    Raises
    ------
    ValueError
        If one is missing, or not a finite number above 0.

    Examples
    --------
    >>> check_params({"p": 6.25, "q": 0}, ["p", "q"])
    Traceback (most recent call last):
    ...
    ValueError: parameters must be numbers > 0, got {'q': 0}; expected p, q
    """
    names = tuple(names)
    wrong = {name: params.get(name) for name in names if not _is_positive(params.get(name))}
    if wrong:
        raise ValueError(f"parameters must be numbers > 0, got {wrong}; expected {', '.join(names)}")
    return {name: float(params[name]) for name in names}  # type: ignore[arg-type]


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _refuse(rule: str, wrong: NDArray[np.bool_], *columns: Array) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        shown = "; ".join(f"row {i}: {', '.join(str(float(c[i])) for c in columns)}" for i in rows[:3])
        more = "; ..." if len(rows) > 3 else ""
        verb = "is" if len(rows) == 1 else "are"
        raise ValueError(f"{rule}: {len(rows)} of {len(wrong)} rows {verb} not ({shown}{more})")
