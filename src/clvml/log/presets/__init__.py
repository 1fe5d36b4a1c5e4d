"""Exports that are known: which one a file is, and its columns by the names of the preset.

Each YAML file here is a `clvml.config.Preset`: what tells the export from others, and the keys of ``data`` it brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from clvml.config import DataConfig, PresetName, read_preset
from clvml.errors import InputError
from clvml.expressions import parse_expression


def recognise(columns: Sequence[str]) -> PresetName | None:
    """Return the preset whose header a file has; the one with the longest header where there are several."""
    fits = [
        (len(read_preset(name).header), name)
        for name in get_args(PresetName)
        if set(read_preset(name).header) <= set(preset_names(name, columns))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def preset_names(preset: PresetName | None, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a file's columns, those of another version of the export as the preset calls them.

    >>> preset_names("uci-online-retail", ["Invoice", "Price", "Country"])
    ('InvoiceNo', 'UnitPrice', 'Country')
    """
    called = {}
    for name, others in (read_preset(preset).names if preset else {}).items():
        found = next((other for other in others if other in columns and other not in called), None)
        if name not in columns and found is not None:
            called[found] = name
    return tuple(called.get(column, column) for column in columns)


def fit_preset(data: DataConfig, columns: Sequence[str], origin: str) -> tuple[DataConfig, tuple[str, ...]]:
    """Return the configuration as the preset means it for this file, and the names of the file's columns.

    What is optional in a preset is left out where the file has no such column: the order number, the product and the
    like, and a filter. A configuration without a preset, and keys that the user gave, stay.

    Raises
    ------
    InputError
        The file lacks what tells the preset's export from others.
    """
    if data.preset is None:
        return data, tuple(columns)
    preset, names = read_preset(data.preset), preset_names(data.preset, columns)
    mapped = data.columns.mapped()
    absent = [name for name in preset.header if name not in names]
    if absent and mapped == preset.data["columns"]:
        raise InputError(
            f"'{origin}' has no column {', '.join(map(repr, absent))}, which '{data.preset}' exports have"
            f" ({preset.about}); its columns are {', '.join(columns)}; leave data.preset out and map data.columns, or"
            " name the columns that are called otherwise in data.columns"
        )
    optional: dict[str, str | None] = {
        ours: None
        for ours, theirs in mapped.items()
        if ours not in ("customer_id", "order_date", "amount")
        and preset.data["columns"].get(ours) == theirs
        and theirs not in names
    }
    if mapped["amount"] == preset.data["columns"]["amount"] and preset.amount_else is not None:
        used = parse_expression(mapped["amount"], "number", "data.columns.amount").columns
        if not set(used) <= set(names):
            optional["amount"] = preset.amount_else
    update: dict[str, object] = {"columns": data.columns.model_copy(update=optional)}
    if data.where is not None and data.where == preset.data.get("where"):
        used = parse_expression(data.where, "truth", "data.where").columns
        if not set(used) <= set(names):
            update["where"] = None
    return data.model_copy(update=update), names
