"""clvml check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvml.cli.inputs import load_any_config, now, parse_date, refuse_for_subscriptions, workspace
from clvml.cli.options import (
    AsOfOption,
    ConfigOption,
    DataArgument,
    JsonOption,
    MemoryOption,
    RejectsOption,
    SetOption,
)
from clvml.cli.printing import print_json, print_next, print_paragraph, say_rejects
from clvml.cli.subscription_output import check_subscriptions
from clvml.errors import InputError

if TYPE_CHECKING:
    from clvml.config import AnyConfig


def check(
    data: DataArgument = None,
    config: ConfigOption = None,
    rejects: RejectsOption = None,
    crosswalk: Annotated[
        Path | None,
        typer.Option("--crosswalk", help="Write which id became which customer here (.csv or .parquet)."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="Write the lines that are used here, as one log of our names (.parquet)."),
    ] = None,
    as_of: AsOfOption = None,
    memory: MemoryOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report the quality of a purchase log or of a table of subscriptions; nothing is trained."""
    from clvml import workflows
    from clvml.config import SubscriptionConfig
    from clvml.storage.outputs import check_output

    until = parse_date(as_of)
    if config is None and data is None:
        raise InputError("nothing to check; give DATA, or --config FILE that says where it is")
    settings = (
        workflows.assume_any_config(str(data), overrides)
        if config is None
        else load_any_config(config, overrides)
    )
    if isinstance(settings, SubscriptionConfig):
        refuse_for_subscriptions(rejects=rejects, crosswalk=crosswalk, log=log, memory=memory)
        if config is None and not as_json:
            _print_assumed(settings)
        enough = check_subscriptions(settings, data, until, as_json)
        if enough and not as_json:
            _print_next(config, data, settings, overrides)
        return
    if log is not None:
        for source in workflows.sources_of((settings.with_source(data) if data else settings).data):
            check_output(log, (".parquet",), source, "log")
    with workspace(memory) as connection:
        prepared = workflows.prepare(
            settings.data,
            now(),
            data,
            until,
            rejects,
            connection,
            settings.windows.horizon_days,
            hints=True,
            crosswalk=crosswalk,
            value=settings.value,
        )
        if log is not None:
            prepared.log.write(log)
    length = workflows.check_length(prepared, settings)
    if as_json:
        summary = {
            **prepared.log.quality.to_dict(),
            "as_of": prepared.as_of,
            "columns_read": settings.data.columns.mapped(),
            "columns_assumed": config is None,
            "horizon_days": settings.windows.horizon_days,
            "enough_history": length.enough,
            "longest_horizon_days": length.longest_horizon_days,
            "history": length.message,
        }
        print_json(summary)
        return
    if config is None:
        _print_assumed(settings)
    typer.echo(prepared.log.quality.to_text())
    print_paragraph(length.message)
    say_rejects(prepared, rejects)
    if crosswalk is not None:
        typer.echo(f"Which id became which customer is in {crosswalk}")
    if log is not None:
        typer.echo(f"The lines that are used are in {log}")
    if not prepared.log.quality.purchase_days:
        typer.echo("no line has a positive amount: a training would be refused")
    elif length.enough:
        _print_next(config, data, settings, overrides)


def _print_next(
    config: Path | None, data: str | None, settings: AnyConfig, overrides: list[str] | None
) -> None:
    from clvml.storage.addresses import hide_password

    if config is None:
        kept = "With the configuration above kept as my.yaml, train on it"
        train = ["--config", "my.yaml"]
    else:
        kept, train = "Train on it", ["--config", str(config)]
        if data not in (None, settings.data.source):
            train += ["--data", hide_password(str(data))]
        train += [text for assigned in overrides or [] for text in ("--set", hide_password(assigned))]
    print_next(f"{kept}:", ["train", *train])


def _print_assumed(settings: AnyConfig) -> None:
    import yaml

    from clvml.config import Config, SubscriptionConfig, read_preset

    settings = settings.without_passwords()
    assumed = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    about = ""
    if isinstance(settings, SubscriptionConfig):
        about = " Customers look subscribed: each row has a start, and an end where it is over."
    elif settings.data.preset is not None:
        preset = read_preset(settings.data.preset)
        assumed["data"] = {
            key: value for key, value in assumed["data"].items() if preset.data.get(key) != value
        }
        about = f" The header is that of {preset.about}; the preset brings the keys below, and each may be given anew."
    # Without a name of its own, a model of this log would stand beside that of the sample data, and be no champion.
    assumed.setdefault("tracking", {"experiment": "my-shop", "registered_model": "my-shop"})
    print_paragraph(
        "No configuration was given; what follows is assumed from the names of the columns. Correct it, keep it"
        f" as a file and pass that as --config.{about}"
    )
    assumed.setdefault("value", {"margin": settings.value.margin})
    text = yaml.safe_dump(assumed, sort_keys=False, allow_unicode=True)
    text = re.sub(r"(?m)^(  margin: .*)$", r"\1  # what you earn of turnover: an assumption", text)
    text = re.sub(r"(?m)^(  period: .*)$", r"\1  # how often the price is paid: an assumption", text)
    if isinstance(settings, Config) and settings.data.preset is not None:
        brought = yaml.safe_dump({"data": preset.data}, sort_keys=False, allow_unicode=True, width=100)
        text += "".join(f"# {line}\n" for line in brought.splitlines())
    typer.echo("\n" + "".join(f"  {line}\n" for line in text.splitlines()))
