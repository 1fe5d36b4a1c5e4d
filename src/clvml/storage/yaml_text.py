"""YAML written by people, read within bounds: no text of a few lines takes memory, time or the stack of the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LONGEST_BYTES = 1_000_000
_DEEPEST = 50
_MOST_NODES = 100_000
_LONGEST_NUMBER = 50
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class RepeatedKey(yaml.YAMLError):
    """A key that comes twice in one place."""


class OutOfBounds(yaml.YAMLError):
    """Text that is longer, deeper or more repetitive than a configuration is."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file; see `parse_yaml`. OSError where it cannot be read, UnicodeDecodeError where it is not UTF-8."""
    with path.open("rb") as file:
        content = file.read(LONGEST_BYTES + 1)
    if len(content) > LONGEST_BYTES:
        raise OutOfBounds("it is longer than 1 MB")
    return parse_yaml(content.decode("utf-8-sig"))


def parse_yaml(text: str) -> Any:
    """Return what YAML says, in plain Python objects; no key may come twice in one place.

    >>> parse_yaml("a: [1, x]")
    {'a': [1, 'x']}

    Raises
    ------
    yaml.YAMLError
        It is not YAML, nested deeper than 50 levels, refers to itself, repeats itself into more than 100,000 parts, or
        holds an invalid number or date.
    """
    _check_brackets(text)
    loader = _EachKeyOnce(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {}, 0)
        return loader.construct_document(node)
    except RecursionError:
        raise OutOfBounds(f"it is nested deeper than {_DEEPEST} levels") from None
    except (ValueError, OverflowError) as error:
        raise OutOfBounds(f"a number or date in it is invalid ({error})") from None
    finally:
        loader.dispose()


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            # Keys that are not plain have no text of their own; merged ones ("<<") may come again.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in lines:
                    raise RepeatedKey(f"'{key.value}' comes twice (lines {lines[key.value]} and {line})")
                lines[key.value] = line
        return super().construct_mapping(node, deep)


def _check_brackets(text: str) -> None:
    """Refuse thousands of brackets within each other, over which YAML's reader would take minutes."""
    depth = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            if depth > 2 * _DEEPEST:
                raise OutOfBounds(f"it is nested deeper than {_DEEPEST} levels")
        elif letter in "]}":
            depth -= 1


def _check(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Return how many parts a node has when every reference in it is written out."""
    if depth > _DEEPEST:
        raise OutOfBounds(f"it is nested deeper than {_DEEPEST} levels")
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise OutOfBounds("a part of it refers to itself")
        return sizes[id(node)]
    sizes[id(node)] = 0
    size = 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise OutOfBounds(f"a number in it has {len(node.value):,} digits")
    else:
        for child in node.value:
            size += sum(
                _check(part, sizes, depth + 1) for part in (child if isinstance(child, tuple) else (child,))
            )
    if size > _MOST_NODES:
        raise OutOfBounds("its references repeat it into more than 100,000 parts")
    sizes[id(node)] = size
    return size
