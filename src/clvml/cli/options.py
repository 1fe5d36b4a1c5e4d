"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration (YAML).")]
DataArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="Purchase log: file, directory, glob or database table. Default: that of the configuration.",
    ),
]
DataOption = Annotated[str | None, typer.Option("--data", help="Purchase log, instead of data.source.")]
LaterDataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="The purchase log, continued to a later day. Default: that of the configuration."
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="First day not used (YYYY-MM-DD). Default: the day after the last order."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a config key: windows.horizon_days=90. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
EngineOption = Annotated[
    Literal["duckdb", "spark"],
    typer.Option("--engine", help="duckdb: this machine; spark: a cluster, or this machine."),
]
MasterOption = Annotated[
    str | None,
    typer.Option("--master", help="Spark's: local[4], yarn, spark://..., sc://... (or SPARK_REMOTE)."),
]
AcquiredOption = Annotated[
    Path | None,
    typer.Option(
        "--acquired",
        help="Where customers came from and when: customer_id, acquisition_source, acquisition_date; needs --spend.",
    ),
]
SpendOption = Annotated[
    Path | None,
    typer.Option("--spend", help="What was spent to win customers: month, source, spend; needs --acquired."),
]
RejectsOption = Annotated[
    Path | None, typer.Option("--rejects", help="Write rejected rows here (.csv or .parquet).")
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        help="Most memory to take, such as 4GB; the rest spills into a folder that is removed afterwards.",
    ),
]
