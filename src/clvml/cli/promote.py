"""clvml promote."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from clvml.cli.inputs import load_any_config, store_uri
from clvml.cli.options import ConfigOption, JsonOption
from clvml.cli.printing import command_line, print_json, print_paragraph, progress


def promote(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="VERSION_OR_RUN", help="Version, alias, models:/NAME/VERSION or run id."),
    ] = None,
    config: ConfigOption = None,
    force: Annotated[
        str | None, typer.Option("--force", help="Promote without being better, for this reason.")
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Return to the champion before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a model the champion, if it is better than the present one out of time on the same data."""
    from clvml import workflows

    registered = load_any_config(config, None).tracking.registered_model if config else "clvml"
    uri = store_uri()
    done = workflows.promote(reference, registered, uri, force, rollback, progress)
    if as_json:
        print_json(asdict(done))
        return
    if not done.changed:
        typer.echo(f"Version {done.version} of '{done.registered_model}' is the champion already.")
        return
    before = f", in place of version {done.replaced}" if done.replaced else ""
    print_paragraph(
        f"Version {done.version} of '{done.registered_model}' is now the champion{before}: {done.reason}."
    )
    if reference is not None and done.replaced:
        # Without a configuration, --rollback is of the default name.
        back = ["--rollback", *(["--config", str(config)] if config else [])]
        if done.registered_model != registered:
            back = [f"models:/{done.registered_model}/{done.replaced}", "--force", "REASON"]
        typer.echo(f"The way back: {command_line('clvml', 'promote', *back)}")
