"""Ingest: from files or a database table to one clean, typed, counted purchase log."""

from clvml.log.finding import Finding
from clvml.log.purchase_log import PurchaseLog
from clvml.log.quality import Gap, QualityReport
from clvml.log.reading import read_purchase_log
from clvml.log.rows.cleaning import ReasonCount

__all__ = [
    "Finding",
    "Gap",
    "PurchaseLog",
    "QualityReport",
    "ReasonCount",
    "read_purchase_log",
]
