"""Ingest: from files or a database table to one clean, typed, counted purchase log."""

from clvml.ingest.cleaning import ReasonCount
from clvml.ingest.log import PurchaseLog, read_purchase_log
from clvml.ingest.quality import Gap, QualityReport

__all__ = [
    "Gap",
    "PurchaseLog",
    "QualityReport",
    "ReasonCount",
    "read_purchase_log",
]
