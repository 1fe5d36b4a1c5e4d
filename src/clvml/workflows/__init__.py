"""The stages put together: what each command of the command line does, without printing."""

from clvml.workflows.compare import compare, comparison_dict
from clvml.workflows.contract_training import backtest_contract
from clvml.workflows.followup import FollowUp, follow_up
from clvml.workflows.logged_training import Again, LoggedTraining, train_again, train_and_log
from clvml.workflows.planning import log_plan, plan, write_plan
from clvml.workflows.preparation import (
    ASSUMED_HORIZON_DAYS,
    Prepared,
    assume_config,
    assume_data,
    check_length,
    check_subscription_length,
    prepare,
    prepare_on_spark,
    prepare_subscriptions,
    sample_on_spark,
    sources_of,
)
from clvml.workflows.promote import promote
from clvml.workflows.readback import log_readback, readback
from clvml.workflows.report import report
from clvml.workflows.scoring import (
    acquired_notes,
    check_scored_output,
    score,
    score_on_spark,
    score_subscriptions,
    scoring_notes,
    write_scored,
)
from clvml.workflows.sync import Synced, sync
from clvml.workflows.training import (
    Explanation,
    Fitted,
    Trained,
    backtest,
    days_of,
    explain,
    fit,
    record,
    train,
)
from clvml.workflows.uplift import missing_columns, save_rates, uplift, write_save_rates
from clvml.workflows.valuation import acquired, value_notes, worth
from clvml.workflows.verdict import answer, given_notes, headline_metrics, reach, short_name, standings

__all__ = [
    "ASSUMED_HORIZON_DAYS",
    "Again",
    "Explanation",
    "Fitted",
    "FollowUp",
    "LoggedTraining",
    "Prepared",
    "Synced",
    "Trained",
    "acquired",
    "acquired_notes",
    "answer",
    "assume_config",
    "assume_data",
    "backtest",
    "backtest_contract",
    "check_length",
    "check_scored_output",
    "check_subscription_length",
    "compare",
    "comparison_dict",
    "days_of",
    "explain",
    "fit",
    "follow_up",
    "given_notes",
    "headline_metrics",
    "log_plan",
    "log_readback",
    "missing_columns",
    "plan",
    "prepare",
    "prepare_on_spark",
    "prepare_subscriptions",
    "promote",
    "reach",
    "readback",
    "record",
    "report",
    "sample_on_spark",
    "save_rates",
    "score",
    "score_on_spark",
    "score_subscriptions",
    "scoring_notes",
    "short_name",
    "sources_of",
    "standings",
    "sync",
    "train",
    "train_again",
    "train_and_log",
    "uplift",
    "value_notes",
    "worth",
    "write_plan",
    "write_save_rates",
    "write_scored",
]
