"""Find a model by what people call it: an alias, a version, an MLflow URI or a directory."""

from __future__ import annotations

import atexit
import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import yaml

from clvml.errors import InputError, did_you_mean
from clvml.storage.workspace import temporary_folder
from clvml.storage.yaml_text import parse_yaml
from clvml.tracking.logged_model import LOADER_MODULE
from clvml.tracking.pyfunc import run_id_of
from clvml.tracking.record import ResolvedModel
from clvml.tracking.session import (
    MISSING,
    MlflowException,
    Store,
    all_pages,
    check_answer,
    mlflow,
    open_store,
    registered_aliases,
)

UNREGISTERED = "unregistered"
MODEL_FILE = "model.json"
_DESCRIPTION = "Customer lifetime value and churn, by clvml."
_USUAL = "clvml"
_ALIASES = ("champion", "challenger")
_MODEL_ID = re.compile(r"models:/(m-[0-9a-f]{32})")
REGISTERED_FORM = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+|latest)|@(?P<alias>[^/@]+))")
RUN_FORM = re.compile(r"(?:runs:/)?(?P<run_id>[0-9a-f]{32})(?:/(?P<model>[^/]+))?")
# What a model is fetched into is read as long as the process lives.
_until_the_end = ExitStack()
atexit.register(_until_the_end.close)
_FORMS = (
    "give champion, challenger, a version number, models:/NAME/VERSION, models:/NAME@ALIAS, "
    f"runs:/RUN_ID/model, or a directory that holds {MODEL_FILE}"
)


def resolve_model(reference: str, registered_model: str | None, uri: str) -> ResolvedModel:
    """Return the files and the origin of the model that `reference` means.

    Nothing of the model is loaded or run. A model in a store on this machine is used where it lies; from a
    server it is fetched to a temporary folder, which is removed at the end of the process.

    Parameters
    ----------
    reference : str
        ``champion``, ``challenger`` or another alias, a version number, ``models:/...``, ``runs:/...``, a run
        id, or a local directory that holds ``model.json``. A directory that is called like an alias or a
        version is meant only if it is written with a slash.
    registered_model : str or None
        The registered model that an alias or a version is of: ``tracking.registered_model``. Where it is not known,
        clvml, with a note if another one was trained later.

    Raises
    ------
    InputError
        There is no store yet or it cannot be used, the reference means nothing in it, or what it means was
        not made by clvml.
    """
    reference = reference.strip()
    name = registered_model or _USUAL
    if _is_directory(reference):
        return _from_directory(Path(reference))
    with open_store(uri, must_exist=True) as store:
        if match := _MODEL_ID.fullmatch(reference):
            return _from_logged_model(store, match[1], name)
        if match := REGISTERED_FORM.fullmatch(reference):
            return _from_registry(store, match["name"], match["alias"] or match["version"])
        if match := RUN_FORM.fullmatch(reference):
            return _from_run(store, match["run_id"], match["model"], name)
        if not reference or ":" in reference:
            raise InputError(f"model '{reference}' is not a form of reference that is known; {_FORMS}")
        found = _from_registry(store, name, reference)
        return found if registered_model else replace(found, note=_trained_later(store, name))


def _is_directory(reference: str) -> bool:
    if (
        not reference
        or reference in _ALIASES
        or reference.isdigit()
        or reference.startswith(("models:", "runs:"))
    ):
        return False
    path = Path(reference)
    if path.is_dir():
        return True
    if path.exists():
        raise InputError(f"model '{reference}' is a file; give the directory that holds {MODEL_FILE}")
    if len(path.parts) > 1 or path.is_absolute():
        raise InputError(f"model directory '{reference}' does not exist; {_FORMS}")
    return False


def _from_directory(directory: Path) -> ResolvedModel:
    if (directory / MODEL_FILE).is_file():
        return ResolvedModel(directory, UNREGISTERED, "")
    if not (directory / "MLmodel").is_file():
        raise InputError(f"model directory '{directory}' holds no {MODEL_FILE}; {_FORMS}")
    data, run_id = _model_data(directory, f"directory '{directory}'")
    return ResolvedModel(data, UNREGISTERED, run_id)


def _from_registry(store: Store, name: str, alias_or_version: str) -> ResolvedModel:
    version = find_version(store, name, alias_or_version)
    found = store.client.get_model_version(name, version)
    what = f"version {version} of '{name}'"
    location = (
        store.client.get_logged_model(found.model_id).artifact_location
        if getattr(found, "model_id", None)
        else store.client.get_model_version_download_uri(name, version)
    )
    data, run_id = _model_data(_fetch(store, location, what), what)
    return ResolvedModel(data, version, found.run_id or run_id)


def find_version(store: Store, name: str, alias_or_version: str) -> str:
    """Return the number of the version of `name` that an alias, a number or "latest" means.

    Raises
    ------
    InputError
        There is no registered model of that name, or it has no such alias or version.
    """
    versions = {str(found.version): found for found in versions_of(store, name)}
    if not versions:
        raise InputError(_no_such_model(store, name))
    aliases = registered_aliases(store, name)
    newest_first = sorted(versions, key=int, reverse=True)
    if alias_or_version == "latest":
        return newest_first[0]
    if alias_or_version in versions:
        return alias_or_version
    if alias_or_version in aliases:
        return aliases[alias_or_version]
    kind = "version" if alias_or_version.isdigit() else "alias"
    named = ", ".join(f"{alias} (version {version})" for alias, version in sorted(aliases.items())) or "none"
    listed = ", ".join(newest_first[:5]) + (", ..." if len(newest_first) > 5 else "")
    guess = "" if kind == "version" else did_you_mean(alias_or_version, aliases)
    raise InputError(
        f"registered model '{name}' in '{store.shown}' has no {kind} '{alias_or_version}'{guess}; "
        f"aliases: {named}; versions: {listed}"
    )


def _trained_later(store: Store, name: str) -> str:
    """Return a note on a model of another name that was trained after the newest of this one, empty where none was."""
    newest = {
        found.name: max((version.creation_timestamp for version in found.latest_versions), default=0)
        for found in all_pages(store.client.search_registered_models)
        # A server may hold models of other people.
        if found.name == name or found.description == _DESCRIPTION
    }
    newest.setdefault(name, 0)
    last = max(newest, key=lambda each: (newest[each], each == name), default=name)
    if last == name:
        return ""
    day = datetime.fromtimestamp(newest[last] / 1000, UTC).date()
    return (
        f"the model is '{name}', which is taken where none is named; '{last}' was trained later ({day}): --model"
        f" 'models:/{last}@champion' takes that one"
    )


def ensure_registered(store: Store, name: str) -> None:
    """Make the registered model of a name, unless there is one or somebody makes it at this moment."""
    try:
        store.client.create_registered_model(name, description=_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _no_such_model(store: Store, name: str) -> str:
    known = sorted(found.name for found in all_pages(store.client.search_registered_models))
    if not known:
        return f"no model yet in '{store.shown}'; run 'make train' first"
    return (
        f"no registered model '{name}' in '{store.shown}'{did_you_mean(name, known)}; it has: "
        f"{', '.join(known[:5])}; give --config with the configuration of that training (tracking.registered_model), or"
        f" models:/{known[0]}@champion as the model"
    )


def _from_logged_model(store: Store, model_id: str, registered_model: str) -> ResolvedModel:
    try:
        model = store.client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code in MISSING:
            raise InputError(f"model 'models:/{model_id}' is not in '{store.shown}'; {_FORMS}") from error
        raise
    what = f"model 'models:/{model_id}'"
    data, _ = _model_data(_fetch(store, model.artifact_location, what), what)
    run_id = str(model.source_run_id or "")
    return ResolvedModel(data, _registered_as(store, run_id, model_id, registered_model), run_id)


def _from_run(store: Store, run_id: str, name: str | None, registered_model: str) -> ResolvedModel:
    run = find_run(store, run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    logged = [store.client.get_logged_model(output.model_id) for output in outputs]
    wanted = [model for model in logged if name is None or model.name == name]
    if not wanted:
        has = ", ".join(sorted({model.name for model in logged})) or "none"
        raise InputError(
            f"run '{run_id}' ({run.info.status.lower()}) has no model{f' {name!r}' if name else ''}; its "
            f"models: {has}; take a run that 'make train' finished"
        )
    return _from_logged_model(store, wanted[-1].model_id, registered_model)


def find_run(store: Store, run_id: str) -> Any:
    """Return a run, also one from MLflow's trash.

    Raises
    ------
    InputError
        There is no such run.
    """
    try:
        found = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in MISSING:
            raise InputError(
                f"run '{run_id}' is not in '{store.shown}'; 'clvml compare' lists the runs"
            ) from error
        raise
    check_answer(store, "a run", run_id, found.info.run_id)
    return found


def check_model(store: Store, run_id: str, name: str, version: str) -> Path:
    """Return the files of a version, or where there is none of the run, which holds a model that clvml made.

    Raises
    ------
    InputError
        It does not, or its files are gone.
    """
    found = _from_registry(store, name, version) if version else _from_run(store, run_id, None, name)
    return found.directory


def _registered_as(store: Store, run_id: str, model_id: str, registered_model: str) -> str:
    """Return the version under which a logged model is registered, in the configured name."""
    if not run_id:
        return UNREGISTERED
    found = [
        str(version.version)
        for version in search_versions(store, f"run_id='{run_id}'")
        if version.name == registered_model and getattr(version, "model_id", None) in (None, model_id)
    ]
    return min(found, key=int) if found else UNREGISTERED


def search_versions(store: Store, condition: str) -> list[Any]:
    """Return all versions that a condition of MLflow's search language holds for."""
    versions = list(all_pages(store.client.search_model_versions, condition))
    check_answer(store, "versions of a model", True, all(str(v.version).isdigit() for v in versions))
    return versions


def versions_of(store: Store, name: str) -> list[Any]:
    """Return all versions of a registered model."""
    # MLflow's search language knows no escape: a name that it could misread is looked for here.
    condition = f"name='{name}'" if re.fullmatch(r"[\w .+@-]+", name) else ""
    return [version for version in search_versions(store, condition) if version.name == name]


def _fetch(store: Store, location: str, what: str) -> Path:
    parsed = urlparse(location)
    if parsed.scheme in ("", "file"):
        path = Path(unquote(parsed.path) if parsed.scheme else location)
        if not path.is_dir():
            raise InputError(f"the files of {what} are gone from '{path}'; bring them back, or train again")
        return path
    folder = _until_the_end.enter_context(temporary_folder())
    return Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=location, dst_path=str(folder), tracking_uri=store.uri
        )
    )


def _model_data(artifact: Path, what: str) -> tuple[Path, str]:
    """Return the directory of the model proper in an MLflow artifact, and the run that made it."""
    described: dict[str, Any] = {}
    loader, data = "", artifact
    # What is not a file, such as a pipe, might never end.
    if (artifact / "MLmodel").is_file():
        try:
            described = parse_yaml((artifact / "MLmodel").read_text(encoding="utf-8"))
            flavor = described["flavors"]["python_function"]
            loader, data = str(flavor["loader_module"]), artifact / flavor.get("data", "data")
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError):
            loader, data = "", artifact
    inside = data.resolve().is_relative_to(artifact.resolve())
    if loader == LOADER_MODULE and inside and (data / MODEL_FILE).is_file():
        run_id = run_id_of(described)
        if run_id is not None:
            return data, run_id
        reason = "the run that its MLmodel file names is not a run of MLflow"
    elif loader == LOADER_MODULE:
        reason = f"it holds no {MODEL_FILE}" if inside else "its MLmodel file leads out of its folder"
    else:
        reason = f"it is loaded by '{loader[:100]}'" if loader else "it has no MLmodel file with a pyfunc"
    raise InputError(
        f"{what} is not a clvml model: {reason}; set tracking.registered_model to a name of clvml's own, or "
        "choose another model"
    )
