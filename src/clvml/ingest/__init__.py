"""Ingest: from files or a database table to one clean, typed, counted purchase log."""

from clvml.ingest.cleaning import ReasonCount
from clvml.ingest.log import PurchaseLog, read_purchase_log
from clvml.ingest.quality import Gap, HistoryVerdict, QualityReport, check_history

__all__ = [
    "Gap",
    "HistoryVerdict",
    "PurchaseLog",
    "QualityReport",
    "ReasonCount",
    "check_history",
    "read_purchase_log",
]
