"""Expressions over columns that users write: row filters and amounts, in a small grammar that is safe to run.

Names of columns, numbers, texts, ``+ - * /``, comparisons, ``and``, ``or``, ``not``, ``in``, ``between``, ``is null``,
``like``, ``ilike`` and ``case when``: everything else is refused, functions, casts and subqueries first. sqlglot splits
and parses the text; the tree is checked node by node, and its SQL is written here, so that nothing unknown passes.

What it means is the same on every engine. A comparison with an empty cell is neither true nor false. In a sum empty
cells count as 0, unless all of it is empty; a product with an empty cell is empty, and so is a division by 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from clvml.errors import InputError, did_you_mean, first_of

Kind = Literal["number", "text", "truth"]
Reading = Callable[[str, Kind], str]

# sqlglot calls the class of its nodes differently from version to version.
Node = Any
LONGEST = 2_000
MOST_WORDS = 500
DEEPEST = 8
ALLOWED = (
    "allowed are names of columns (in double quotes where they are not one plain word), numbers, 'texts', true, false,"
    " + - * /, = <> < <= > >=, and, or, not, in, between, is null, like, ilike, case when ... then ... else ... end and"
    " parentheses"
)

# fmt: off
_WORDS = (
    TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.IN, TokenType.BETWEEN, TokenType.IS, TokenType.NULL,
    TokenType.LIKE, TokenType.ILIKE, TokenType.TRUE, TokenType.FALSE,
)
_SIGNS = (
    TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.EQ, TokenType.NEQ, TokenType.LT,
    TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA,
)
# fmt: on
# Names of columns, but between the first two of them and `end`.
_CASE = (TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.END)
_VALUES = (TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER)
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_JOINED = {exp.And: "and", exp.Or: "or", exp.Mul: "*"}
# What else sqlglot may put into a node would change its meaning.
_KNOWN_ARGUMENTS = ("this", "expression", "expressions", "low", "high", "is_string", "negate")
_PARTS = {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}


class _Grammar(Dialect):
    """Names in double quotes or backticks, texts in single quotes, nothing else quoted."""

    class Tokenizer(tokens.Tokenizer):
        IDENTIFIERS = ['"', "`"]  # noqa: RUF012 - sqlglot's own way
        QUOTES = ["'"]  # noqa: RUF012


@dataclass(frozen=True)
class Expression:
    """An expression that was checked.

    ``text`` is as the user wrote it, ``what`` its name in errors, such as ``data.where``. ``tree`` holds known nodes
    only. ``uses`` are the columns, in the order of their first use, and what each is read as; one may be read as
    several kinds.
    """

    text: str
    what: str
    kind: Kind
    tree: Node
    uses: tuple[tuple[str, Kind], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.uses))

    @property
    def is_name(self) -> bool:
        """Whether it is the name of a column and nothing else."""
        return isinstance(self.tree, exp.Column)

    def sql(self, reading: Reading, dialect: str = "duckdb") -> str:
        """Return the SQL of the expression in a dialect of sqlglot: BOOLEAN or DOUBLE.

        ``reading`` returns the SQL of a column, given its name and the kind it is read as: DOUBLE, text or BOOLEAN. Its
        SQL may be repeated.
        """
        return _sql(self.tree, self.kind, reading, dialect)


def parse_expression(
    text: str, kind: Literal["number", "truth"], what: str, columns: Sequence[str] | None = None
) -> Expression:
    """Parse and check an expression.

    Parameters
    ----------
    text : str
        The expression, of at most `LONGEST` characters, `MOST_WORDS` words and signs, and `DEEPEST` parentheses in
        each other.
    kind : {"number", "truth"}
        What it has to be: an amount or a filter.
    what : str
        What it is called in errors, such as ``data.where``.
    columns : sequence of str, optional
        Names that it may use, in their case. Without them any name passes.

    Raises
    ------
    InputError
        The text is not an expression of the grammar, is of the other kind, or names a column that is not there.

    >>> parse_expression("Amount - \\"Amount Refunded\\"", "number", "data.columns.amount").columns
    ('Amount', 'Amount Refunded')
    """
    tokens = _tokens(text, what)
    try:
        trees = _Grammar().parser().parse(tokens, text)
    except (ParseError, RecursionError):
        raise _refusal(what, text, "cannot be understood", _suspect(tokens)) from None
    if len(trees) != 1 or trees[0] is None:
        raise _refusal(what, text, "is not a single expression")
    tree = trees[0]
    uses = tuple(dict.fromkeys(_check(tree, kind, what, text)))
    if columns is not None:
        for name, _ in uses:
            if name not in columns:
                raise _unknown(name, what, text, columns)
    return Expression(text, what, kind, tree, uses)


def _tokens(text: str, what: str) -> list[Token]:
    """Return the tokens, each of a known kind; words that the grammar does not know are names."""
    if len(text) > LONGEST:
        raise InputError(f"{what} is {len(text):,} characters long; the limit is {LONGEST:,}")
    try:
        tokens = list(_Grammar().tokenize(text))
    except TokenError:
        raise _refusal(what, text, "has a quote that is opened and not closed") from None
    if not tokens:
        raise InputError(f"{what} is empty; write an expression, or leave the key out")
    if len(tokens) > MOST_WORDS:
        raise InputError(f"{what} has {len(tokens):,} words and signs; the limit is {MOST_WORDS}")
    read, depth, cases = 0, 0, 0
    for place, token in enumerate(tokens):
        written = text[token.start : token.end + 1]
        if text[read : token.start].strip() or token.comments:
            raise _refusal(what, text, "has a comment, which is not allowed", read)
        read = token.end + 1
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        begins = token.token_type is TokenType.CASE and following and following.token_type is TokenType.WHEN
        cases += bool(begins)
        if cases and token.token_type in _CASE:
            cases -= token.token_type is TokenType.END
            if cases > DEEPEST:
                raise _refusal(what, text, f"has more than {DEEPEST} cases in each other", token.start)
        elif token.token_type in _PARTS:
            depth += _PARTS[token.token_type]
            if depth > DEEPEST:
                raise _refusal(what, text, f"has more than {DEEPEST} parentheses in each other", token.start)
        elif _is_word(token, written):
            if following is not None and following.token_type is TokenType.L_PAREN:
                raise _refusal(what, text, f"calls '{written}', and functions are not allowed", token.start)
            tokens[place] = token = Token(
                TokenType.IDENTIFIER, written, token.line, token.col, token.start, token.end
            )
        elif token.token_type not in (*_WORDS, *_SIGNS, *_VALUES):
            raise _refusal(what, text, f"has '{written}', which is not allowed", token.start)
        before = tokens[place - 1] if place else None
        if before is not None and token.token_type in _VALUES and before.token_type in _VALUES:
            together = " ".join(part.text for part in (before, token))
            advice = "has two values without a sign between them"
            if token.token_type is before.token_type is TokenType.IDENTIFIER:
                advice = f"has the names '{together}' side by side; one name with a blank is written \"{together}\""
            raise _refusal(what, text, advice, before.start)
        # Each of them would be a level of its own in the tree.
        if place > 1 and all(part.token_type in _PREFIXES for part in tokens[place - 2 : place + 1]):
            raise _refusal(what, text, f"has '{written}' after two others of its kind", token.start)
    if text[read:].strip():
        raise _refusal(what, text, "has a comment, which is not allowed", read)
    return tokens


_PREFIXES = (TokenType.NOT, TokenType.DASH, TokenType.PLUS)


def _is_word(token: Token, written: str) -> bool:
    if token.token_type in (*_WORDS, *_VALUES, *_SIGNS):
        return False
    return (written[0].isalpha() or written[0] == "_") and all(
        character.isalnum() or character in "_$" for character in written
    )


def _check(node: Node, kind: Kind, what: str, text: str) -> Iterator[tuple[str, Kind]]:
    """Yield the columns of a node that has to be of a kind, with what each is read as."""

    def refuse(problem: str) -> InputError:
        return _refusal(what, text, problem, _position(node))

    def check(child: Node, as_kind: Kind) -> Iterator[tuple[str, Kind]]:
        return _check(child, as_kind, what, text)

    if isinstance(node, exp.Paren):
        yield from check(node.this, kind)
        return
    found = _kind(node)
    if isinstance(node, exp.Column):
        if not isinstance(node.this, exp.Identifier) or node.args.get("table"):
            raise refuse(f"has '{node.sql()}', which is not a name of a column")
        yield node.name, kind
        return
    if isinstance(node, exp.Case) and kind == "number":
        if node.this or node.args.get("default") is None:
            raise refuse("has a case without when, or without else")
        for branch in node.args["ifs"]:
            yield from check(branch.this, "truth")
            yield from check(branch.args["true"], kind)
        yield from check(node.args["default"], kind)
        return
    if found is None or any(value for key, value in node.args.items() if key not in _KNOWN_ARGUMENTS):
        raise refuse(f"has '{node.sql()}', which is not allowed")
    if found != kind:
        words = {"number": "a number", "text": "a text", "truth": "something true or false"}
        raise refuse(f"has {words[found]} where {words[kind]} is needed, '{node.sql()}'")
    if isinstance(node, exp.Not | exp.Neg):
        yield from check(node.this, kind)
    elif isinstance(node, exp.And | exp.Or | exp.Add | exp.Sub | exp.Mul | exp.Div):
        yield from check(node.this, kind)
        yield from check(node.expression, kind)
    elif isinstance(node, exp.Like | exp.ILike):
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise refuse("has a pattern that is not a text in single quotes")
        if "\\" in pattern.name:
            raise refuse("has a pattern with a backslash, which databases read differently")
        yield from check(node.this, "text")
    elif isinstance(node, exp.Is):
        if not isinstance(node.expression, exp.Null):
            raise refuse("has 'is' with something else than null")
        yield from check(node.this, _kind(node.this) or "text")
    elif isinstance(node, exp.In):
        if not node.expressions:
            raise refuse("has 'in' without a list of numbers or texts in parentheses")
        if not all(isinstance(_bare(item), exp.Literal) for item in node.expressions):
            raise refuse("has a list that holds something else than numbers and texts")
        for part in (node.this, *node.expressions):
            yield from check(part, _common(node))
    elif isinstance(node, exp.Between):
        for part in (node.this, node.args["low"], node.args["high"]):
            yield from check(part, _common(node))
    elif type(node) in _COMPARISONS:
        common = _common(node)
        if common == "truth" and not (
            isinstance(node, exp.EQ | exp.NEQ)
            and any(isinstance(side, exp.Boolean) for side in (node.this, node.expression))
        ):
            raise refuse("compares what is already a comparison; join them by and")
        yield from check(node.this, common)
        yield from check(node.expression, common)


def _kind(node: Node) -> Kind | None:
    """Return what a node is by itself; None of a column and of what the grammar does not know."""
    if isinstance(node, exp.Paren):
        return _kind(node.this)
    if isinstance(node, exp.Literal):
        return "text" if node.is_string else "number"
    if type(node) in (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Case):
        return "number"
    if type(node) in (
        *(exp.And, exp.Or, exp.Not, exp.Boolean, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike),
        *_COMPARISONS,
    ):
        return "truth"
    return None


def _common(node: Node) -> Kind:
    """Return what the sides of a comparison are read as."""
    sides = [node.this, *node.expressions]
    sides += [side for key in ("expression", "low", "high") if (side := node.args.get(key)) is not None]
    for kind in ("truth", "number", "text"):
        if any(_kind(side) == kind for side in sides):
            return kind
    # Of two columns only the order tells that they are meant as numbers.
    return "text" if isinstance(node, exp.EQ | exp.NEQ) else "number"


def _bare(node: Node) -> Node:
    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    return node


def _sql(node: Node, kind: Kind, reading: Reading, dialect: str) -> str:
    """Return the SQL of a node that was checked."""

    def write(child: Node, as_kind: Kind = kind) -> str:
        return _sql(child, as_kind, reading, dialect)

    if isinstance(node, exp.Column):
        return reading(node.name, kind)
    if isinstance(node, exp.Literal):
        return node.sql(dialect) if node.is_string else f"cast({node.name} as double)"
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.Paren):
        return f"({write(node.this)})"
    if isinstance(node, exp.Not | exp.Neg):
        return f"({'not' if isinstance(node, exp.Not) else '-'} {write(node.this)})"
    if isinstance(node, exp.Case):
        branches = "".join(
            f" when {write(branch.this, 'truth')} then {write(branch.args['true'])}"
            for branch in node.args["ifs"]
        )
        return f"(case{branches} else {write(node.args['default'])} end)"
    if isinstance(node, exp.Is):
        return f"({write(node.this, _kind(node.this) or 'text')} is null)"
    if isinstance(node, exp.Div):
        return f"({write(node.this)} / nullif({write(node.expression)}, 0))"
    if isinstance(node, exp.Like | exp.ILike):
        word = "ilike" if isinstance(node, exp.ILike) else "like"
        # Some versions of sqlglot put the `not` before it into the node.
        word = f"not {word}" if node.args.get("negate") else word
        return f"({write(node.this, 'text')} {word} {write(node.expression, 'text')})"
    if isinstance(node, exp.Add | exp.Sub):
        terms = [(sign, write(term), term) for sign, term in _terms(node)]
        total = " ".join(f"{sign} coalesce({sql}, 0)" for sign, sql, _ in terms)
        cells = [sql for _, sql, term in terms if term.find(exp.Column)]
        if cells:
            total = f"case when coalesce({', '.join([*cells, 'null'])}) is not null then {total} end"
        return f"({total})"
    if type(node) in _JOINED:
        return f"({write(node.this)} {_JOINED[type(node)]} {write(node.expression)})"
    common = _common(node)
    if isinstance(node, exp.In):
        items = ", ".join(write(item, common) for item in node.expressions)
        return f"({write(node.this, common)} in ({items}))"
    if isinstance(node, exp.Between):
        low, high = (write(node.args[key], common) for key in ("low", "high"))
        return f"({write(node.this, common)} between {low} and {high})"
    return f"({write(node.this, common)} {_COMPARISONS[type(node)]} {write(node.expression, common)})"


def _terms(node: Node, sign: str = "+") -> Iterator[tuple[str, Node]]:
    """Yield what a sum adds and subtracts."""
    if isinstance(node, exp.Paren) and isinstance(node.this, exp.Add | exp.Sub | exp.Paren):
        yield from _terms(node.this, sign)
    elif isinstance(node, exp.Add | exp.Sub):
        yield from _terms(node.this, sign)
        other = sign if isinstance(node, exp.Add) else {"+": "-", "-": "+"}[sign]
        yield from _terms(node.expression, other)
    else:
        yield sign, node


def _position(node: Node) -> int | None:
    return min((part.meta["start"] for part in node.walk() if "start" in part.meta), default=None)


def _suspect(tokens: list[Token]) -> int | None:
    """Return where two signs or words stand that cannot follow each other, or the end."""
    last, ends = tokens[-1], (*_VALUES, TokenType.R_PAREN, TokenType.NULL, TokenType.TRUE, TokenType.FALSE)
    return None if last.token_type in ends else last.start


def _refusal(what: str, text: str, problem: str, position: int | None = None) -> InputError:
    place = "" if position is None else f" at position {position + 1}"
    return InputError(f"{what} {problem}{place}; {ALLOWED}; currently set to {text!r}")


def _unknown(name: str, what: str, text: str, columns: Sequence[str]) -> InputError:
    advice = did_you_mean(name, columns)
    if not advice and f'"{name}"' in text:
        advice = f" (a text goes in single quotes: '{name}')"
    return InputError(
        f"{what} names a column '{name}' that is not there{advice}; the columns are {first_of(columns)}"
    )
