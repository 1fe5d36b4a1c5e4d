"""Ingest: from files or a database table to one clean, typed, counted purchase log."""

from clvml.log.cleaning import ReasonCount
from clvml.log.finding import Finding
from clvml.log.quality import Gap, QualityReport
from clvml.log.reading import PurchaseLog, read_purchase_log

__all__ = [
    "Finding",
    "Gap",
    "PurchaseLog",
    "QualityReport",
    "ReasonCount",
    "read_purchase_log",
]
