"""Errors of Spark, told as errors of the input where that is what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from clvml.errors import InputError

# What is wrong with a worker's Python, in the traceback that Spark hands on.
_WORKER_SAID = re.compile(r"(?:InputError|ModuleNotFoundError|ImportError): (.+)")


@contextmanager
def worker_errors() -> Iterator[None]:
    """Say what a worker's Python lacks as an `InputError`, where the block lets workers run some of ours."""
    try:
        yield
    except Exception as error:
        said = _WORKER_SAID.search(str(error))
        if not (said and is_spark_error(error)):
            raise
        raise InputError(
            f"a Spark worker cannot do its part: {said[1]}; the workers need this version of clvml, and PYSPARK_PYTHON"
            " says which Python has it"
        ) from None


def is_spark_error(error: Exception) -> bool:
    """Return whether an error is of Spark, of its Java or of the way to its server: each has types of its own."""
    return type(error).__module__.partition(".")[0] in ("pyspark", "py4j", "grpc")


def unreadable_source(source: str, error: Exception) -> InputError:
    """Return what an error of Spark while it reads a source says to a user."""
    said = str(error)
    if "MALFORMED" in said or "FAILED_READ_FILE" in said:
        return InputError(
            f"'{source}' has a line that does not have the columns of the header, or is damaged; the Spark engine"
            " cannot tell such lines apart: leave --engine out, and --rejects will"
        )
    return InputError(f"'{source}' cannot be read by Spark: {said.strip().splitlines()[0]}")
