"""Monitoring in MLflow: a run beside the training it judges, and a word on the model's version."""

from __future__ import annotations
