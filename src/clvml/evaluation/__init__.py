"""How good predictions are: metrics, simple rules to beat, a leaderboard with verdicts.

The plots are in `clvml.evaluation.plots`, so that nobody else loads matplotlib.
"""

from clvml.evaluation.baselines import BASELINES, Baseline
from clvml.evaluation.folds import ModelColumns
from clvml.evaluation.leaderboard import METRICS, Leaderboard, build_leaderboard
from clvml.evaluation.metrics import (
    CHURN_METRICS,
    SPEND_METRICS,
    Metric,
    average_precision,
    brier,
    coverage,
    decile_calibration_error,
    expected_calibration_error,
    gini,
    log_loss,
    mae,
    mean_width,
    rmse,
    roc_auc,
    spearman,
    top_share,
    total_bias,
    wape,
)

__all__ = [
    "BASELINES",
    "CHURN_METRICS",
    "METRICS",
    "SPEND_METRICS",
    "Baseline",
    "Leaderboard",
    "Metric",
    "ModelColumns",
    "average_precision",
    "brier",
    "build_leaderboard",
    "coverage",
    "decile_calibration_error",
    "expected_calibration_error",
    "gini",
    "log_loss",
    "mae",
    "mean_width",
    "rmse",
    "roc_auc",
    "spearman",
    "top_share",
    "total_bias",
    "wape",
]
