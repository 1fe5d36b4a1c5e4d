"""The other keys: windows, model, value, tests, tracking, segments; and the whole configuration."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from clvml.config.base_section import Section
from clvml.config.data import DataConfig
from clvml.errors import did_you_mean

# What a feature is about (`clvml.customers`).
Group = Literal[
    "recency", "frequency", "spend", "trend", "rhythm", "basket", "refunds", "season", "attributes", "events"
]
# The forecasts that stand beside the features, as `model.leave_out` calls them.
PRIOR = "prior"
_NOTHING_LEFT = "nothing is left to learn from; leave out less"


class WindowsConfig(Section):
    """Cutoffs and horizons."""

    horizon_days: Annotated[int, Field(gt=0, le=3650)] = Field(description="days of future to predict")
    step_days: Annotated[int, Field(gt=0, le=3650)] = Field(30, description="days between training cutoffs")
    max_cutoffs: Annotated[int, Field(gt=0, le=1000)] = Field(
        12, description="training cutoffs at most, newest first"
    )
    min_history_days: Annotated[int, Field(gt=0, le=36500)] = Field(
        60, description="days of log before the earliest training cutoff at least"
    )


class TreesConfig(Section):
    """What XGBoost takes. The defaults were chosen on earlier folds of several data sets."""

    n_estimators: Annotated[int, Field(gt=0, le=100_000)] = Field(100, description="boosting rounds")
    max_depth: Annotated[int, Field(gt=0, le=16)] = Field(3, description="depth of a tree")
    learning_rate: Annotated[float, Field(ge=1e-6, le=1)] = Field(0.06, description="shrinkage of each tree")
    min_child_weight: Annotated[float, Field(ge=0, le=1e9)] = Field(
        20.0, description="least hessian weight of a leaf"
    )
    subsample: Annotated[float, Field(ge=1e-6, le=1)] = Field(0.8, description="share of rows per tree")
    colsample_bytree: Annotated[float, Field(ge=1e-6, le=1)] = Field(
        0.6, description="share of features per tree"
    )
    reg_lambda: Annotated[float, Field(ge=0, le=1e9)] = Field(10.0, description="L2 penalty of leaf values")
    n_jobs: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="threads; 0 takes all cores")


class ModelConfig(TreesConfig):
    """What XGBoost takes, and what it is given."""

    max_rows: Annotated[int, Field(ge=1000, le=10**9)] = Field(
        75_000,
        description="training rows at most; beyond, a random share of them, the newest cutoffs first. Of more than four"
        " times as many customers, a sample is trained on",
    )
    base: Literal["blend", "btyd", "trailing", "none"] = Field(
        "blend",
        description="what trees of spend are boosted from: BTYD and trailing spend as they add up best, one of the two,"
        " or nothing; BTYD stands beside the trees of churn where it is part of that",
    )
    spend: Literal["tweedie", "hurdle", "alone", "mean", "stack"] = Field(
        "stack",
        description="how spend is predicted: by one model (tweedie), by P(buy) times the spend of buyers (hurdle), or"
        " the same with trees that start from nothing (alone); by the mean of the first two, or by all three, each with"
        " the weight that a held-out window gives it (stack)",
    )
    calibrate: bool = Field(
        True, description="bring the totals of the trees to the level of the prior forecasts"
    )
    season: bool = Field(True, description="learn a season, where the log shows one")
    leave_out: list[str] = Field(
        default_factory=list,
        description="groups of features that the trees do not see (docs/data-dictionary.md), and prior: the forecasts"
        " of BTYD and trailing spend as features",
    )

    @field_validator("leave_out")
    @classmethod
    def _groups_exist(cls, groups: list[str]) -> list[str]:
        known = (*get_args(Group), PRIOR)
        for group in groups:
            if group not in known:
                raise ValueError(
                    f"unknown group '{group}'{did_you_mean(group, known)}; known: {', '.join(known)}"
                )
        if set(groups) == set(known):
            raise ValueError(_NOTHING_LEFT)
        return groups


class CategoryMargins(Section):
    """What is earned of each category of articles."""

    column: str = Field(description="column of the log with the category of a line")
    shares: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(
        min_length=1,
        description="margin of each category as a share of net spend; others have that of all (`margin`)",
    )


class ValueConfig(Section):
    """What a customer is worth: present value of margin, net of retention cost."""

    margin: Annotated[float, Field(gt=0, le=1)] = Field(0.3, description="margin as a share of net spend")
    discount_rate: Annotated[float, Field(ge=0, lt=10)] = Field(0.1, description="discount per year")
    horizon_days: Annotated[int, Field(gt=0, le=3650)] = Field(365, description="days of future that count")
    retention_cost: Annotated[float, Field(ge=0, lt=1e15)] = Field(
        0.0, description="money spent on keeping one customer over the value horizon"
    )
    cost: str | None = Field(
        None,
        description="what a line cost: a column of the log, or an expression such as unit_cost * quantity; each"
        " customer's own margin then counts in clv and worth",
    )
    margins: CategoryMargins | None = Field(
        None, description="margin by category: each customer's own margin then counts in clv and worth"
    )

    @property
    def has_own_margins(self) -> bool:
        """Whether customers differ in the margin of what they buy."""
        return self.cost is not None or self.margins is not None

    @model_validator(mode="after")
    def _one_source_of_margins(self) -> ValueConfig:
        if self.cost is not None and self.margins is not None:
            raise ValueError("cost and margins both say what is earned; give one of them")
        return self


class EvaluationConfig(Section):
    """The rolling-origin backtest."""

    folds: Annotated[int, Field(ge=1, le=24)] = Field(3, description="test cutoffs, newest first")
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        500, description="paired-bootstrap resamples"
    )


# Between two orders, where the usual gap is longer than the horizon, which then says nothing of who stays away.
_BETWEEN_ORDERS = (
    "(purchase_days > 2 and gap_mean > horizon_days and gap_current_ratio <= 1 + gap_variation"
    " and gap_current_ratio <= 1.25)"
)
# What to do about a customer: the first rule that holds decides. Columns are those of the features and of the scored
# file; `big_spend_365d` is the spend of the last year from which a customer was among the top fifth of spenders at
# training.
SEGMENTS = {
    # Predicted from the average of one-time buyers.
    "not enough history": "purchase_days = 0",
    "first buyer to win back": "purchase_days = 1 and p_churn >= 0.5",
    "first buyer to turn into a regular": "purchase_days = 1",
    # Likelier than not to stay away, or overdue twice over.
    "valuable and drifting away": "(value_tier in ('platinum', 'gold') or spend_sum_365d >= big_spend_365d)"
    f" and ((p_churn >= 0.5 and not {_BETWEEN_ORDERS}) or (p_churn >= 1 / 3 and gap_current_ratio >= 2))",
    "future VIP": "value_tier in ('platinum', 'gold') and T <= 180",
    "VIP": "value_tier = 'platinum'",
    "regular": f"p_churn < 0.5 or {_BETWEEN_ORDERS}",
    "lapsing": "p_churn < 0.85",
    "lost": "true",
}


class SparkConfig(Section):
    """What `--engine spark` brings to this machine."""

    sample_customers: Annotated[int, Field(ge=1000, le=10**9)] = Field(
        100_000, description="customers to train on with --engine spark; more are sampled down to these"
    )


class TrackingConfig(Section):
    """Names in MLflow. Where the server is comes from MLFLOW_TRACKING_URI (SQLite file by default)."""

    experiment: str = Field("clvml", min_length=1, max_length=200, description="MLflow experiment")
    registered_model: str = Field(
        "clvml", min_length=1, max_length=200, description="name in the model registry"
    )


class Config(Section):
    """A complete configuration."""

    data: DataConfig
    windows: WindowsConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    value: ValueConfig = Field(default_factory=ValueConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    spark: SparkConfig = Field(default_factory=SparkConfig)
    segments: dict[str, str] = Field(
        SEGMENTS,
        description="what to do about a customer: names and rules, of which the first that holds decides",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of everything random")

    @field_validator("segments")
    @classmethod
    def _everybody_has_a_segment(cls, segments: dict[str, str]) -> dict[str, str]:
        if not segments or [*segments.values()][-1].strip().lower() != "true":
            raise ValueError("the last segment is for everybody else; give it the rule 'true'")
        return segments

    @model_validator(mode="after")
    def _something_is_left(self) -> Config:
        lacking = {"attributes", "events"} - {*self.data.tables_beside}
        if {*self.model.leave_out} | lacking == {*get_args(Group), PRIOR}:
            named = " and ".join(f"data.{key}" for key in sorted(lacking - {*self.model.leave_out}))
            raise ValueError(f"model.leave_out: without {named}, {_NOTHING_LEFT}")
        return self

    def with_source(self, source: str) -> Config:
        """Return the configuration for the same kind of data at another place."""
        return self.model_copy(update={"data": self.data.with_source(source)})
