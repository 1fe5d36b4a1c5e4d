"""Reasons: the strongest SHAP values of each customer, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clvml.customers import FEATURES, Feature
from clvml.customers.given import Given
from clvml.customers.subscription_snapshots import SUBSCRIPTION_FEATURES
from clvml.explain.given_words import OWN, GivenPhrase, say_own

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
_Clause = list[tuple[str, str, str, str]]

# A smaller influence is no reason: it changes a probability by about one percentage point at most, or spend by 5 %.
SMALLEST = 0.05
SILENCE = "days_since_last_order"
# A larger percentage comes of a division by almost nothing, and reads as a mistake.
LARGEST_PERCENTAGE = 9.995
# Below it, a rank correlation has too many exceptions for a sentence.
WEAK = 0.3
BATCH_ROWS = 16_384
# Words with a value of zero in them, and a more natural wording.
WHEN_ZERO = {
    "came back on 0 days after the first purchase": "has not come back since the first purchase",
    "last purchase after 0% of the time as a customer": "has not come back since the first purchase",
    "0 days between first and last purchase": "has not come back since the first purchase",
    "0 per repeat purchase": "has not come back since the first purchase",
    "spent 0 in the same season last year": "spent nothing in the same season last year",
}
_WINDOW = re.compile(r"_\d+d$")
_NOUNS_AFTER_ONE = re.compile(
    r"^( (?:[a-z]+ )*?(?:day|line|order|pause|product|purchase|subscription|unit))s\b"
)


class Typical(NamedTuple):
    """Typical value and direction of a feature, to decide whether a value can be a reason.

    Attributes
    ----------
    median : float
    direction : int
        1 where high values raise the forecast, -1 where they lower it, 0 where neither is clear.
    """

    median: float
    direction: int


def reasons(
    features: pd.DataFrame,
    contributions: ArrayLike,
    feature_list: Sequence[Feature],
    top: int = 3,
    typical: Mapping[str, Typical] | None = None,
    given: Sequence[Given] = (),
    forecast: str = "churn risk",
) -> pd.DataFrame:
    """Return for each customer the reasons that raise or lower a forecast most: the churn risk, or the expected spend.

    SHAP values are summed within the groups of features (`clvml.customers.Feature.group`), because correlated features
    share one influence between them. The groups of largest absolute sum give one reason each: the feature with the
    largest value in the direction of the sum. Ties go to the first in the list. Groups below 0.05 give no reason. A
    feature gives no reason where it has

    - a first clause with a value that is missing, negative because of refunds, or a percentage above 999 %;
    - a zero within the last so many days: the days since the last purchase say it better;
    - with `typical`, a value that contradicts its direction, such as "no purchase for 218 days; usually every 30
      (lowers churn risk)". The value must lie on the side of the median that the feature's direction explains, and the
      days since the last purchase on that side of the customer's usual gap as well.

    A clause after ``;`` is left out where one of these applies to it.

    Parameters
    ----------
    features : DataFrame
        One row per customer; the columns that the words of the features name.
    contributions : array-like of shape (customers, len(feature_list) + 1)
        As `clvml.explain.of_customers.contributions` returns them; the last column, the base, is not used.
    feature_list : sequence of Feature
        The features of the columns of `contributions`, in their order.
    top, forecast : int, str
        Reasons per customer, and what they say is raised or lowered.
    typical : mapping of str to Typical, optional
        By feature name, as `Reference.typical` returns it; without it, no value counts as contradictory.
    given : sequence of Attribute or EventFeature
        The attributes and event counts among the features; their words are their name and value.

    Returns
    -------
    DataFrame
        One row per customer, with the index of `features`, all text, empty where a customer has fewer reasons:
        ``reason_1`` ... , then ``reason_1_key`` (the feature, and ``+`` where it raises the forecast or ``-`` where it
        lowers it) and ``reason_1_values`` (the numbers in the words, in their order, with ``;`` between), and so on,
        from which `say_reason` gives the words for any language.

    Raises
    ------
    ValueError
        If the shapes do not fit each other or ``top`` is below 1.

    Examples
    --------
    >>> from clvml.customers import FEATURES
    >>> chosen = [f for f in FEATURES if f.name in ("days_since_last_order", "lines_per_day")]
    >>> frame = pd.DataFrame({"days_since_last_order": [94.0], "gap_mean": [31.2], "lines_per_day": [1.0]})
    >>> said = reasons(frame, [[0.8, -0.2, 0.1]], chosen)
    >>> said["reason_1"][0]
    'no purchase for 94 days; usually every 31 (raises churn risk)'
    >>> list(said.loc[0, ["reason_2", "reason_3"]])
    ['1.0 lines in a basket (lowers churn risk)', '']
    """
    phi = check_contributions(features, contributions, feature_list)
    if top < 1:
        raise ValueError(f"top must be at least 1 (currently {top})")
    said_of = np.full((3, len(features), top), "", dtype=object)  # words, keys, values
    if len(features):
        own_words = {one.name: GivenPhrase(one) for one in given}
        phrases = [own_words.get(feature.name) or _Phrase(feature.words) for feature in feature_list]
        columns = {
            name: features[name].to_numpy(dtype=float, na_value=np.nan)
            for feature, phrase in zip(feature_list, phrases, strict=True)
            for name in (feature.name, *phrase.fields)
            if name in features
        }
        for start in range(0, len(features), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            own = {name: values[rows] for name, values in columns.items()}
            own_phi = phi[rows]
            strength = np.zeros_like(own_phi)
            for index, (feature, phrase) in enumerate(zip(feature_list, phrases, strict=True)):
                sharing = [other.name for other in feature_list if other.words == feature.words]
                said = _sayable(feature, phrase, own, own_phi[:, index], typical or {}, sharing)
                strength[said, index] = own_phi[said, index]
            chosen, rising = _choose(own_phi, strength, feature_list, top)
            _write(said_of[:, rows], chosen, rising, feature_list, phrases, own, forecast)
    ranks = range(1, top + 1)
    names = [f"reason_{rank}{part}" for part in ("", "_key", "_values") for rank in ranks]
    frame = pd.DataFrame(np.hstack(list(said_of)), index=features.index, columns=names, dtype="str")
    return frame[[*names[:top], *(f"reason_{k}_{part}" for k in ranks for part in ("key", "values"))]]


def say_reason(key: str, values: str) -> tuple[str, dict[str, float | str], int]:
    """Return the words of a reason, the numbers and names of their fields, and its direction.

    Parameters
    ----------
    key, values : str
        As `reasons` gives them.

    Returns
    -------
    tuple of (str, dict of str to float or str, int)
        Words with fields, to be translated; the value of each field; 1 where the reason raises the forecast, else -1.

    Raises
    ------
    ValueError
        The key names no feature, or the values do not fit its words.

    >>> say_reason("days_since_last_order+", "94;31")
    ('no purchase for {days_since_last_order:.0f} days; usually every {gap_mean:.0f}', \
{'days_since_last_order': 94.0, 'gap_mean': 31.0}, 1)
    >>> say_reason("frequency+", "0")
    ('has not come back since the first purchase', {}, 1)
    """
    name, sign = key[:-1], key[-1:]
    direction = {"+": 1, "-": -1}.get(sign, 0)
    if name.startswith(OWN) and direction:
        return *say_own(name, values), direction
    feature = next((known for known in (*FEATURES, *SUBSCRIPTION_FEATURES) if known.name == name), None)
    if feature is None or not direction:
        raise ValueError(f"'{key}' is not a key of a reason")
    numbers = [float(value) for value in values.split(";")]
    words, fields = "", list[str]()
    for clause in re.split("(?=;)", feature.words):
        if len(fields) < len(numbers):
            words += clause
            fields += [field for _, field, _, _ in Formatter().parse(clause) if field]
    if len(fields) != len(numbers):
        raise ValueError(f"reason '{key}' has {len(fields)} values, not '{values}'")
    named: dict[str, float | str] = dict(zip(fields, numbers, strict=True))
    plain = WHEN_ZERO.get(words.format(**named))
    return (plain, {}, direction) if plain else (words, named, direction)


def check_contributions(
    features: pd.DataFrame, contributions: ArrayLike, feature_list: Sequence[Feature]
) -> Array:
    """Return the contributions without the base, after checking that they fit the frame and the list."""
    if not feature_list:
        raise ValueError("feature_list must name at least one feature (currently empty)")
    phi = np.asarray(contributions, dtype=float)
    expected = (len(features), len(feature_list) + 1)
    if phi.shape != expected:
        raise ValueError(
            f"contributions must have the shape {expected}: one row per row of features, one column per"
            f" feature and the base (currently {phi.shape})"
        )
    if not np.isfinite(phi).all():
        raise ValueError(f"contributions must be finite: {(~np.isfinite(phi)).sum()} are not")
    return phi[:, :-1]


def direction_of(values: Array, phi: Array, weak: float = WEAK) -> int:
    """Return 1 where the SHAP values rise with the value, -1 where they fall, 0 where neither is clear.

    The direction is clear from a rank correlation of ``weak``, over the rows where the value is not missing.

    >>> direction_of(np.array([1, 2, np.nan, 4]), np.array([-0.1, 0.0, 5.0, 0.3]))
    1
    """
    present = ~np.isnan(values)
    ranks = pd.DataFrame({"value": values[present], "phi": phi[present]}).rank().to_numpy()
    if not len(ranks) or not ranks.std(axis=0).all():
        return 0
    correlation = np.corrcoef(ranks, rowvar=False)[0, 1]
    return 0 if abs(correlation) < weak else int(np.sign(correlation))


def group_sums(phi: Array, feature_list: Sequence[Feature]) -> tuple[list[str], Indices, Array]:
    """Return the groups in order of appearance, the group of each feature, and the sums (rows, groups)."""
    names = list(dict.fromkeys(feature.group for feature in feature_list))
    member = np.array([names.index(feature.group) for feature in feature_list], dtype=np.intp)
    sums = np.column_stack([phi[:, member == group].sum(axis=1) for group in range(len(names))])
    return names, member, sums


def _choose(
    phi: Array, sayable: Array, feature_list: Sequence[Feature], top: int
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return which feature gives the reason of each rank (-1: none), and whether it raises the forecast.

    `sayable` holds the SHAP values, 0 where a feature cannot give a reason.
    """
    _, member, sums = group_sums(phi, feature_list)
    chosen = np.full((len(phi), top), -1, dtype=np.intp)
    rising = np.zeros((len(phi), top), dtype=bool)
    found = np.zeros(len(phi), dtype=np.intp)
    # A stable sort leaves ties in the order of the list.
    for group in np.argsort(-np.abs(sums), axis=1, kind="stable").T:
        rows = np.flatnonzero(found < top)
        group, total = group[rows], sums[rows, group[rows]]
        fit = (member == group[:, None]) & (np.abs(total) >= SMALLEST)[:, None]
        strength = np.where(fit, sayable[rows] * np.sign(total)[:, None], 0.0)
        best = strength.argmax(axis=1)
        said = strength[np.arange(len(rows)), best] > 0
        rows = rows[said]
        chosen[rows, found[rows]] = best[said]
        rising[rows, found[rows]] = total[said] > 0
        found[rows] += 1
    return chosen, rising


def _sayable(
    feature: Feature,
    phrase: _Phrase | GivenPhrase,
    columns: dict[str, Array],
    phi: Array,
    typical: Mapping[str, Typical],
    sharing: Sequence[str],
) -> NDArray[np.bool_]:
    if feature.name not in columns:
        return np.zeros(len(phi), dtype=bool)
    sayable = phrase.sayable(columns, len(phi))
    # A reader cannot tell apart features that share words (a sum and a decayed sum): each must agree.
    for name in sharing:
        sayable &= ~_contradicts(name, columns, phi, typical)
    # Where the feature itself is missing (a ratio to the usual gap, of one-time buyers), the values in its first
    # clause are checked instead.
    absent = np.isnan(columns[feature.name])
    for name in phrase.said:
        sayable &= ~(absent & _contradicts(name, columns, phi, typical))
    if phrase.said == [SILENCE]:
        for usual in phrase.fields - {SILENCE}:
            sayable &= ~_contradicts(SILENCE, columns, phi, typical, usual)
    return sayable


def _contradicts(
    name: str,
    columns: dict[str, Array],
    phi: Array,
    typical: Mapping[str, Typical],
    usual: str | None = None,
) -> NDArray[np.bool_]:
    """Return which customers have a value on the wrong side of the median, or of their own column ``usual``."""
    if name not in typical or name not in columns or (usual and usual not in columns):
        return np.zeros(len(phi), dtype=bool)
    # A value at the median never contradicts, nor does a missing one (NaN compares as False).
    middle = columns[usual] if usual else typical[name].median
    beyond = np.sign(columns[name] - middle) * typical[name].direction
    return beyond * np.sign(phi) < 0


def _write(
    said_of: NDArray[np.object_],
    chosen: Indices,
    rising: NDArray[np.bool_],
    feature_list: Sequence[Feature],
    phrases: Sequence[_Phrase | GivenPhrase],
    columns: dict[str, Array],
    forecast: str,
) -> None:
    texts, keys, values = said_of
    for index in np.unique(chosen[chosen >= 0]):
        rows, ranks = np.nonzero(chosen == index)
        up = rising[rows, ranks]
        words, values[rows, ranks] = phrases[index].say(columns, rows)
        raises, lowers = np.asarray(f" (raises {forecast})", dtype=object), f" (lowers {forecast})"
        texts[rows, ranks] = words + np.where(up, raises, lowers)
        name = feature_list[index].name
        keys[rows, ranks] = np.where(up, np.asarray(f"{name}+", dtype=object), f"{name}-")


class _Phrase:
    """The words of a feature, split into clauses.

    A clause is a list of (text, the text after a 1, field, format of the field).
    """

    def __init__(self, words: str) -> None:
        self.clauses = [_clause(clause) for clause in re.split("(?=;)", words)]
        self.said = [field for _, _, field, _ in self.clauses[0] if field]
        self.fields = {field for clause in self.clauses for _, _, field, _ in clause if field}

    def sayable(self, columns: dict[str, Array], size: int) -> NDArray[np.bool_]:
        return _present(self.clauses[0], columns, size)

    def say(
        self, columns: dict[str, Array], rows: Indices
    ) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Return the words of the rows, and the numbers in them."""
        own = {name: columns[name][rows] for name in self.fields & columns.keys()}
        texts, numbers = _render(self.clauses[0], own, len(rows))
        for clause in self.clauses[1:]:
            places = np.flatnonzero(_present(clause, own, len(rows)))
            if len(places):
                part = {name: values[places] for name, values in own.items()}
                more, further = _render(clause, part, len(places))
                texts[places] += more
                numbers[places] += ";" + further
        return texts, numbers


def _clause(text: str) -> _Clause:
    # "z" turns a rounded "-0" into "0" (PEP 682).
    return [
        (before, _NOUNS_AFTER_ONE.sub(r"\1", before), field or "", f"z{spec}")
        for before, field, spec, _ in Formatter().parse(text)
    ]


def _present(clause: _Clause, columns: dict[str, Array], size: int) -> NDArray[np.bool_]:
    present = np.ones(size, dtype=bool)
    for _, _, field, spec in clause:
        if field and field not in columns:
            return np.zeros(size, dtype=bool)
        if field:
            values = columns[field]
            percent = spec.endswith("%")
            least = (0.005 if percent else 0.5) * (1 if _WINDOW.search(field) else -1)
            present &= np.isfinite(values) & (values > least)
            if percent:
                present &= values < LARGEST_PERCENTAGE
    return present


def _render(
    clause: _Clause, columns: dict[str, Array], size: int
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    first, kind = _kinds(clause, columns, size)
    texts, last = [""] * len(first), [""] * len(first)
    numbers: list[list[str]] = []
    for before, after_one, field, spec in clause:
        texts = [
            text + (after_one if value == "1" else before) for text, value in zip(texts, last, strict=True)
        ]
        if field:
            last = [format(value, spec) for value in columns[field][first].tolist()]
            texts = [text + value for text, value in zip(texts, last, strict=True)]
            plain = "z.2f" if spec.endswith("%") else spec.replace(",", "")
            numbers.append([format(value, plain) for value in columns[field][first].tolist()])
    words = np.asarray([WHEN_ZERO.get(text, text) for text in texts], dtype=object)
    return words[kind], np.asarray([";".join(row) for row in zip(*numbers, strict=True)], dtype=object)[kind]


def _kinds(clause: _Clause, columns: dict[str, Array], size: int) -> tuple[Indices, Indices]:
    """Return the first row of each kind, and the kind of each row; the clause reads alike in all rows of a kind."""
    kind = np.zeros(size, dtype=np.intp)
    for _, _, field, spec in clause:
        if field:
            # As the format does, this rounds halves to even.
            values = np.rint(columns[field]) if spec.endswith(".0f") else columns[field]
            codes, different = pd.factorize(values)
            kind, _ = pd.factorize(kind * len(different) + codes)
    first = np.empty(kind.max(initial=-1) + 1, dtype=np.intp)
    first[kind[::-1]] = np.arange(size)[::-1]
    return first, kind
