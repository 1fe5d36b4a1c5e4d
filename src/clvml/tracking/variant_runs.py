"""An experiment in MLflow: a parent run with one child run per variant, found again when it is resumed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import yaml

from clvml.tracking.artifacts import CONFIG_FILE, PREDICTIONS_FILE
from clvml.tracking.description import LONGEST_NOTE, LONGEST_VALUE, environment_tags, public_config
from clvml.tracking.liveness import PROCESS_TAG, mark
from clvml.tracking.location import locate
from clvml.tracking.record import EXPERIMENT, KIND_TAG, VARIANT, VariantRecord
from clvml.tracking.runs import close_dead_runs, log_metrics, purchase_dataset
from clvml.tracking.session import PARENT_TAG, MlflowException, Store, entities, experiment_id, open_store
from clvml.tracking.view import save_view, view_address

KEY_TAG, ERROR_TAG = "clvml.key", "error"
SEARCH_FILE = "optuna.db"
_NOTE = (
    "The parent run has the answer in its description, the page among its artifacts, and the metrics of the best "
    "variant. Each run under it is one variant: metrics are means over the test dates used for choosing, last_fold.* "
    "those of the last date, which is only reported."
)


class ExperimentRuns:
    """The runs of one experiment file, in an MLflow experiment of their own.

    Parameters
    ----------
    base : VariantRecord
        The experiment as a whole: its name, base configuration and data. A parent run of the same key is
        continued. The MLflow experiment is called ``<tracking.experiment>/<name>``.
    metric : str
        That decides; it comes first on MLflow's page.
    fresh : bool
        Begin a new parent run, and find nothing of the runs before it.

    Raises
    ------
    InputError
        The store cannot be used; see `clvml.tracking.session.open_store`. This holds for all methods.
    """

    def __init__(
        self, uri: str, base: VariantRecord, question: str, metric: str, fresh: bool = False
    ) -> None:
        self.uri = uri
        self.experiment = f"{base.config.tracking.experiment}/{base.name}"
        with open_store(uri) as store:
            self.experiment_id = str(experiment_id(store, self.experiment))
            self.mlflow_page = view_address(uri, self.experiment_id)
            close_dead_runs(store)
            found = [] if fresh else self._find(store, EXPERIMENT, base.key)
            if found:
                self.run_id = str(found[0].info.run_id)
                self._run_again(store, self.run_id)
            else:
                self.run_id = self._create(store, base, {KIND_TAG: EXPERIMENT})
            save_view(store, self.experiment_id, f"**{question}** {_NOTE}", best_by=metric)
            store.client.set_tag(self.run_id, "mlflow.note.content", question)
        self._fresh = fresh

    def finished(self, key: str) -> tuple[str, pd.DataFrame] | None:
        """Return the run and the predictions of a variant that was finished before, or None."""
        with open_store(self.uri) as store:
            for run in self._find(store, VARIANT, key):
                ours = run.data.tags.get(PARENT_TAG) == self.run_id
                if run.info.status == "FINISHED" and (ours or not self._fresh):
                    with (
                        contextlib.suppress(MlflowException, OSError),
                        tempfile.TemporaryDirectory(prefix="clvml-") as folder,
                    ):
                        path = store.client.download_artifacts(run.info.run_id, PREDICTIONS_FILE, folder)
                        return str(run.info.run_id), pd.read_parquet(path)
        return None

    def start(self, variant: VariantRecord) -> str:
        """Return the running child run of a variant: a new one, or the one that failed or was interrupted."""
        with open_store(self.uri) as store:
            store.client.set_tag(self.run_id, PROCESS_TAG, mark())
            for run in self._find(store, VARIANT, variant.key):
                if run.info.status != "FINISHED" and run.data.tags.get(PARENT_TAG) == self.run_id:
                    run_id = str(run.info.run_id)
                    self._run_again(store, run_id, variant.name)
                    if ERROR_TAG in run.data.tags:
                        store.client.delete_tag(run_id, ERROR_TAG)
                    return run_id
            changes = {key: str(value)[:LONGEST_VALUE] for key, value in variant.changes.items()}
            tags = {
                PARENT_TAG: self.run_id,
                KIND_TAG: VARIANT,
                "mlflow.note.content": "\n".join(f"- `{key}`: {value}" for key, value in changes.items())
                or "the base configuration",
            }
            run_id = self._create(store, variant, tags)
            params = [entities.Param(key, value) for key, value in changes.items()]
            store.client.log_batch(run_id, params=params)
            text = yaml.safe_dump(public_config(variant.config), sort_keys=False, allow_unicode=True)
            store.client.log_text(run_id, text, CONFIG_FILE)
            return run_id

    def finish(self, run_id: str, metrics: Mapping[str, float], predictions: pd.DataFrame) -> None:
        """Log what a variant gave, and close its run."""
        with open_store(self.uri) as store, tempfile.TemporaryDirectory(prefix="clvml-") as folder:
            path = Path(folder, PREDICTIONS_FILE)
            predictions.to_parquet(path, index=False, compression="zstd")
            store.client.log_artifact(run_id, str(path))
            log_metrics(store, run_id, metrics)
            store.client.set_terminated(run_id)

    def fail(self, run_id: str, error: str) -> None:
        """Close the run of a variant that failed; the error becomes a tag and its description."""
        with open_store(self.uri) as store:
            store.client.set_tag(run_id, ERROR_TAG, error[:LONGEST_NOTE])
            store.client.set_tag(run_id, "mlflow.note.content", f"Failed: {error}"[:LONGEST_NOTE])
            store.client.set_terminated(run_id, status="FAILED")

    @contextlib.contextmanager
    def closing(self, running: dict[str, str]) -> Iterator[None]:
        """Mark the parent run, and the runs still in ``running``, as killed or failed if the block does not end."""
        try:
            yield
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            # Where the store itself is what failed, its first error is the one to tell.
            with contextlib.suppress(Exception), open_store(self.uri) as store:
                for run_id in (*running.values(), self.run_id):
                    store.client.set_terminated(run_id, status=status)
            raise

    def conclude(self, metrics: Mapping[str, float], note: str, files: list[Path]) -> None:
        """Log the answer to the parent run, and close it."""
        with open_store(self.uri) as store:
            store.client.set_tag(self.run_id, "mlflow.note.content", note[:LONGEST_NOTE])
            for path in files:
                store.client.log_artifact(self.run_id, str(path))
            log_metrics(store, self.run_id, metrics)
            store.client.set_terminated(self.run_id)

    def _create(self, store: Store, record: VariantRecord, tags: dict[str, str]) -> str:
        """Return a new run with what parent and variants have in common."""
        common = {
            **environment_tags("clvml experiment"),
            KEY_TAG: record.key,
            PROCESS_TAG: mark(),
            "data_fingerprint": record.fingerprint,
            "as_of": record.as_of.isoformat(),
            "registered_model": record.config.tracking.registered_model,
            "horizon_days": str(record.config.windows.horizon_days),
        }
        run = store.client.create_run(self.experiment_id, tags=common | tags, run_name=record.name)
        run_id = str(run.info.run_id)
        dataset = purchase_dataset(record.config.data.source, record.fingerprint, record.quality)
        context = entities.InputTag("mlflow.data.context", "evaluation")
        store.client.log_inputs(run_id, datasets=[entities.DatasetInput(dataset, [context])])
        return run_id

    def _run_again(self, store: Store, run_id: str, name: str | None = None) -> None:
        store.client.set_tag(run_id, PROCESS_TAG, mark())
        store.client.update_run(run_id, status="RUNNING", name=name)

    def _find(self, store: Store, kind: str, key: str) -> list[entities.Run]:
        return list(
            store.client.search_runs(
                [self.experiment_id],
                f"tags.`{KEY_TAG}` = '{key}' and tags.`{KIND_TAG}` = '{kind}'",
                order_by=["attributes.start_time DESC"],
            )
        )


def search_storage(uri: str) -> Path:
    """Return where searches are kept: beside an SQLite store, else in the current folder."""
    _, _, artifacts = locate(uri, must_exist=False)
    sqlite = artifacts is not None and uri.startswith("sqlite")
    return (artifacts.parent if sqlite and artifacts else Path.cwd()) / SEARCH_FILE
