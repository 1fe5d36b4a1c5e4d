"""The stages put together: what each command of the command line does, without printing."""

from clvml.workflows.planning import plan, write_lists, write_plan_file
from clvml.workflows.preparation import (
    ASSUMED_HORIZON_DAYS,
    Prepared,
    assume_config,
    check_length,
    prepare,
    prepare_on_spark,
    sample_on_spark,
)
from clvml.workflows.readback import read_customers, readback
from clvml.workflows.scoring import check_scored_output, score, score_on_spark, scoring_notes, write_scored
from clvml.workflows.training import Trained, backtest, train
from clvml.workflows.verdict import answer, headline_metrics, reach, short_label, short_name, standings

__all__ = [
    "ASSUMED_HORIZON_DAYS",
    "Prepared",
    "Trained",
    "answer",
    "assume_config",
    "backtest",
    "check_length",
    "check_scored_output",
    "headline_metrics",
    "plan",
    "prepare",
    "prepare_on_spark",
    "reach",
    "read_customers",
    "readback",
    "sample_on_spark",
    "score",
    "score_on_spark",
    "scoring_notes",
    "short_label",
    "short_name",
    "standings",
    "train",
    "write_lists",
    "write_plan_file",
    "write_scored",
]
