"""A name means one thing: no two modules or folders share it, nor differ by a plural only."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import clvml

ROOT = Path(clvml.__file__).parent
# These two carry the name of the command that they run, and so of what the command is about.
COMMANDS = ("cli", "workflows")


def test_no_two_modules_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        parts = place.relative_to(ROOT).parts
        if parts and not (parts[0] in COMMANDS and len(parts) > 1):
            places[parts[-1].removesuffix("s")].append("/".join(parts))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_what_a_command_runs_is_called_like_the_command_or_by_a_name_of_its_own() -> None:
    commands = {path.stem for path in (ROOT / "cli").glob("*.py")}
    others = {
        path.stem.removesuffix("s")
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] not in COMMANDS and path.name != "__init__.py"
    }
    workflows = {path.stem for path in (ROOT / "workflows").glob("*.py")} - {"__init__"} - commands
    assert {name for name in workflows if name.removesuffix("s") in others} == set()


def test_every_folder_of_tests_mirrors_one_of_the_code() -> None:
    """A file of tests stands in the folder of what it tests; `cases` holds data only."""
    folders = {
        path.parent.relative_to(Path(__file__).parent) for path in Path(__file__).parent.rglob("test_*.py")
    }
    assert {str(folder) for folder in folders if not (ROOT / folder).is_dir()} == set()
