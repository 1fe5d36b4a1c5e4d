"""The columns of a file that its log does not use, and what is asked of them; each query reads the file again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from clvml.config import DataConfig
from clvml.log.hints.raw_columns import RawColumns
from clvml.log.hints.words import STATUS_NAMES
from clvml.log.mapping import written
from clvml.log.presets import fit_preset
from clvml.log.purchase_log import PurchaseLog
from clvml.log.readers.parts import Part
from clvml.log.rows.derived import bind_formulas
from clvml.storage.sql import MONEY, literal

MOST_VALUES, _LONGEST_VALUE = 30, 40
# DuckDB chokes on a query of very many columns, and each query reads the file again.
AT_ONCE, _MOST_COLUMNS = 50, 300


class Value(NamedTuple):
    """A text in a column, and what stands beside it.

    Attributes
    ----------
    text : str or None
    rows : int
        Lines that have it.
    money : Decimal, float or None
        Of these lines [currency].
    negative : int
        Lines of them whose amount is negative.
    """

    text: str | None
    rows: int
    money: Any
    negative: int


@dataclass(frozen=True)
class Unused(RawColumns):
    """A log, and the columns of what it was read of that it does not use.

    Attributes
    ----------
    used : frozenset of str
        Columns that are of use already.
    log : PurchaseLog
    data : DataConfig
        How the log was read, as its preset means it.
    amount : str or None
        Column of the money of a line; None where that is worked out.
    """

    used: frozenset[str]
    log: PurchaseLog
    data: DataConfig
    amount: str | None

    def named(self, test: Callable[[str], bool]) -> list[str]:
        """Return the unused columns whose name passes a test."""
        return [name for name in self.names if name not in self.used and test(name)]

    def by_value(self, name: str) -> list[Value]:
        """Return each value of a column, the most frequent first."""
        money = "NULL" if self.amount is None else self.number(self.amount)
        query = (
            f"SELECT value, count(*), sum(money::{MONEY}), count(*) FILTER (money < 0)"
            f" FROM {self.table(value=self.cell(name), money=money)} GROUP BY value ORDER BY 2 DESC, 1"
        )
        return [Value(*row) for row in self.run(query)]

    @cached_property
    def few(self) -> dict[str, list[str]]:
        """The columns that hold few different short texts, with these: those that are called a status first."""
        return dict(self._few())

    def _few(self) -> Iterator[tuple[str, list[str]]]:
        names = sorted(self.named(lambda name: True), key=lambda name: not STATUS_NAMES.search(name))
        for start in range(0, min(len(names), _MOST_COLUMNS), AT_ONCE):
            some = names[start : min(start + AT_ONCE, _MOST_COLUMNS)]
            sample = self.sample(", ".join(f"c{self.names.index(name)}" for name in some))
            values = ", ".join(f"list(DISTINCT {self.cell(name)})" for name in some)
            for name, texts in zip(some, self.run(f"SELECT {values} FROM {sample}")[0], strict=True):
                words = [text for text in texts or () if text]
                if 0 < len(words) <= MOST_VALUES and max(map(len, words)) <= _LONGEST_VALUE:
                    yield name, words


def unused_columns(log: PurchaseLog, data: DataConfig, parts: list[Part]) -> Unused:
    """Return what the columns of the parts are that are not used for the log that was read of them."""
    fitted, names = fit_preset(data, parts[0].columns, parts[0].name)
    formulas = bind_formulas(fitted, names)
    used = frozenset({*fitted.columns.mapped().values(), *formulas.operands})
    amount = None if "amount" in formulas.computed else fitted.columns.amount
    return Unused(log.connection, parts, names, used, log, fitted, amount)


def one_of(name: str, texts: Iterable[str | None], *, negated: bool = False) -> str:
    """Return the condition that a column holds one of the texts, or none of them, as ``data.where`` takes it.

    >>> one_of("Paid by", ["cash"])
    '"Paid by" in (\\'cash\\')'
    """
    return f"{written(name)} {'not ' * negated}in ({', '.join(literal(text or '') for text in texts)})"


def listed(values: Iterable[Value]) -> str:
    """Return the most frequent values in words."""
    return ", ".join(f"{value.text} ({value.rows:,})" for value in [*values][:6] if value.text is not None)


def in_yaml(text: str) -> str:
    r"""Return a text as it is quoted in the configuration.

    >>> in_yaml("Status = 'Paid'"), in_yaml('"Paid at" is null')
    ('"Status = \'Paid\'"', '\'"Paid at" is null\'')
    """
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'
