"""The stages put together: what each command of the command line does, without printing."""

from clvml.workflows.assumption import ASSUMED_HORIZON_DAYS, assume_any_config, assume_config, assume_data
from clvml.workflows.compare import compare, comparison_dict
from clvml.workflows.contract_training import backtest_contract
from clvml.workflows.followup import FollowUp, follow_up
from clvml.workflows.logged_training import Again, LoggedTraining, train_again, train_and_log
from clvml.workflows.planning import log_campaign, plan, write_plan
from clvml.workflows.preparation import (
    Prepared,
    check_length,
    check_subscription_length,
    dated_subscriptions,
    prepare,
    prepare_on_spark,
    prepare_subscriptions,
    sample_on_spark,
    sources_of,
)
from clvml.workflows.promote import promote
from clvml.workflows.readback import readback
from clvml.workflows.report import report
from clvml.workflows.scoring import (
    acquired_notes,
    check_scored_output,
    score,
    score_on_spark,
    score_subscriptions,
    scoring_notes,
    unlike_training,
    write_scored,
)
from clvml.workflows.sync import check_uploads, sync
from clvml.workflows.training import Fitted, Trained, backtest, days_of, explain, fit, record, train
from clvml.workflows.uplift import missing_columns, save_rates, uplift, write_save_rates
from clvml.workflows.valuation import acquired, refuse_log_beside, value_notes, worth
from clvml.workflows.verdict import answer, given_notes, headline_metrics, reach, short_name, standings
