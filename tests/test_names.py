"""A name means one thing: no two modules or folders share it, nor differ by a plural only."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import clvml
from clvml.cli import app

ROOT = Path(clvml.__file__).parent
COMMANDS = {
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
}


def test_no_two_modules_share_a_name() -> None:
    """Only a command's modules in `cli` and `workflows` are called like what the command is about."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        parts = place.relative_to(ROOT).parts
        of_command = parts[:1] in (("cli",), ("workflows",)) and parts[-1] in COMMANDS
        if parts and not of_command:
            places[parts[-1].removesuffix("s")].append("/".join(parts))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_every_folder_of_tests_mirrors_one_of_the_code() -> None:
    """A file of tests stands in the folder of what it tests; `cases` holds data only."""
    folders = {
        path.parent.relative_to(Path(__file__).parent) for path in Path(__file__).parent.rglob("test_*.py")
    }
    assert {str(folder) for folder in folders if not (ROOT / folder).is_dir()} == set()
