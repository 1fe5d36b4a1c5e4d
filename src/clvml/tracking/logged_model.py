"""The model of a run: a pyfunc that is nothing but data, with a signature that CSV and JSON can meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from clvml.config import SubscriptionData
from clvml.customers import available_features
from clvml.customers.attributes import CATEGORY
from clvml.errors import InputError
from clvml.scores.columns import SCORED, SUBSCRIBERS, typed
from clvml.scores.customer_margin import OWN_MARGIN
from clvml.tracking.description import flat_params, installed_version, public_config
from clvml.tracking.pyfunc import PurchaseLogScorer
from clvml.tracking.record import TrainingRecord
from clvml.tracking.session import Store, mlflow, models, types

LOADER_MODULE = "clvml.tracking.pyfunc"
MODEL_NAME = "model"


def log_model(
    record: TrainingRecord, store: Store, run_id: str, experiment: str, directory: Path
) -> tuple[str, tuple[str, ...]]:
    """Log the model in `directory` as a logged model of the run; return its id, and notes on it."""
    data = record.config.data
    served = PurchaseLogScorer(directory)
    served.load()
    if isinstance(data, SubscriptionData):
        numbers: tuple[str | None, ...] = data.numbers
        further, columns = {}, SUBSCRIBERS
    else:
        numbers, columns = (data.columns.amount, data.columns.quantity), SCORED
        names = [feature.name for feature in available_features(data.columns.mapped())]
        if record.config.value.has_own_margins:
            names.append(OWN_MARGIN)
        texts = dict.fromkeys(("customer_id", "cutoff"), types.DataType.string)
        further = texts | dict.fromkeys(names, types.DataType.double)
        for feature in served.given():
            kind = types.DataType.string if feature.unit == CATEGORY else types.DataType.double
            further[feature.name] = kind
    example = _input_example(record.signature_example, numbers)
    notes: tuple[str, ...] = ()
    try:
        # A model that cannot score its own example must not reach the registry.
        output = served.predict(example)
    except InputError as error:
        # The model is sound. A few lines of the log may leave open how they are written.
        notes = (f"the model has no input example: its first lines cannot be scored by themselves ({error})",)
        output = typed(pd.DataFrame(columns=[column.name for column in columns]), columns)
    created = store.client.create_logged_model(
        experiment,
        name=MODEL_NAME,
        source_run_id=run_id,
        params=flat_params(public_config(record.config)),
        model_type="customer lifetime value",
    )
    # Not mlflow.pyfunc.log_model: that one logs to the process's active run, which is the caller's, or starts
    # one and prints its address.
    models.Model.log(
        artifact_path=None,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        model_id=created.model_id,
        name=MODEL_NAME,
        loader_module=LOADER_MODULE,
        data_path=str(directory),
        signature=_signature(example, output, further),
        input_example=None if notes else example,
        pip_requirements=[f"{name}=={v}" for name in ("clvml", "mlflow") if (v := installed_version(name))],
    )
    return str(created.model_id), notes


def _input_example(rows: pd.DataFrame, numbers: Collection[str | None]) -> pd.DataFrame:
    """Return the rows as they come by CSV or JSON: text and numbers, without gaps (JSON has no NaN)."""
    complete = rows.dropna()
    rows = complete if len(complete) else rows
    served = {
        str(name): column.astype("float64")
        if name in numbers or pd.api.types.is_float_dtype(column)
        else _as_text(column)
        for name, column in rows.items()
    }
    return pd.DataFrame(served).reset_index(drop=True)


def _signature(
    example: pd.DataFrame, output: pd.DataFrame, features: Mapping[str, types.DataType]
) -> models.ModelSignature:
    # A model has one signature, and that of purchases takes a log or a feature table: so every column is
    # optional, and those that are given decide. Text for dates, since MLflow cannot read a CSV file that has a
    # datetime column in its schema; and for ids, since it would read 00123 as 123.
    inputs = types.schema.Schema(
        [
            types.schema.ColSpec(
                types.DataType.double if pd.api.types.is_float_dtype(column) else types.DataType.string,
                str(name),
                required=False,
            )
            for name, column in example.items()
        ]
        + [
            types.schema.ColSpec(kind, name, required=False)
            for name, kind in features.items()
            if name not in example
        ]
    )
    return models.ModelSignature(
        inputs=inputs,
        # MLflow cannot tell the type of a column in which everything is missing.
        outputs=models.infer_signature(
            output.fillna(dict.fromkeys(output.select_dtypes("string"), ""))
        ).inputs,
        params=types.schema.ParamSchema(
            [
                types.schema.ParamSpec("as_of", types.DataType.string, ""),
                types.schema.ParamSpec("value_reasons", types.DataType.boolean, False),
            ]
        ),
    )


def _as_text(column: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.map(lambda moment: "" if pd.isna(moment) else moment.isoformat())
    return column.astype(object).map(str).where(column.notna(), "")
