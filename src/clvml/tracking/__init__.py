"""Tracking: every training as an MLflow run, every model in its registry. The only importer of mlflow.

Importing this package, `clvml.tracking.record` or `clvml.tracking.location` is quick. The other modules import mlflow
itself, which takes seconds: import them where they are needed.
"""

import os

# MLflow reads this once, while it is imported, and would report its use over the network. Here, since this
# module runs before any other of the package; a user who has set it otherwise keeps that.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
