"""Compiles the catalogues of the pages into the wheel; an empty or fuzzy entry breaks the build."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface):
    """Puts ``locale/<language>.mo`` into the wheel; an editable installation reads the texts as they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        for source in sorted((Path(self.root) / "src" / "clvml" / "report" / "locale").glob("*.po")):
            with source.open("rb") as file:
                catalogue = read_po(file, locale=source.stem)
            for entry in catalogue:
                texts = [entry.string] if isinstance(entry.string, str) else list(entry.string or ())
                if entry.id and (entry.fuzzy or not texts or not all(texts)):
                    raise ValueError(f"{source.name}: '{entry.id}' is empty or fuzzy; translate it")
            compiled = Path(self._folder.name) / f"{source.stem}.mo"
            with compiled.open("wb") as file:
                write_mo(file, catalogue)
            build_data["force_include"][str(compiled)] = f"clvml/report/locale/{compiled.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()
