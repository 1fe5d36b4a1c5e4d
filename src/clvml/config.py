"""The configuration: one YAML file, every key typed, unknown keys refused.

The only keys without a default are ``data.source``, the three mapped columns and
``windows.horizon_days``. ``docs/configuration.md`` is generated from the field descriptions below.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clvml.errors import InputError, did_you_mean
from clvml.storage.yaml_text import RepeatedKey, parse_yaml, read_yaml

# What a feature is about (`clvml.customers`).
Group = Literal["recency", "frequency", "spend", "trend", "rhythm", "basket", "refunds", "season"]
# Systems whose exports are known (`src/clvml/log/presets`).
PresetName = Literal[
    "shopify", "woocommerce", "stripe", "paypal", "square", "magento", "amazon", "uci-online-retail"
]
_PRESETS = Path(__file__).parent / "log" / "presets"
# The forecasts that stand beside the features, as `model.leave_out` calls them.
PRIOR = "prior"

_SHOWN_PROBLEMS = 10
_SHOWN_LETTERS = 100

Keys = TypeVar("Keys", bound=BaseModel)


class Section(BaseModel):
    """Keys of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnsConfig(Section):
    """Names of the input's columns. The first three are required, the others are used where present."""

    customer_id: str = Field(description="who bought")
    order_date: str = Field(description="when: a date, or a timestamp with or without a time zone")
    amount: str = Field(
        description="money of the line or order, negative for a refund; or an expression such as Quantity * UnitPrice"
    )
    order_id: str | None = Field(None, description="order or invoice number")
    product_id: str | None = Field(None, description="article; brings basket and variety features")
    quantity: str | None = Field(None, description="units of the article; or an expression")
    currency: str | None = Field(None, description="currency code of the line; more than one is an error")

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` for the columns that are mapped."""
        return {ours: theirs for ours, theirs in self.model_dump().items() if theirs is not None}


class Preset(Section):
    """How the export of a system is read."""

    about: str = Field(description="which export of which system")
    header: list[str] = Field(description="names that tell it from others")
    names: dict[str, list[str]] = Field(
        default_factory=dict, description="what else a column is called, by its name here"
    )
    data: dict[str, Any] = Field(description="keys of data")
    amount_else: str | None = Field(None, description="the amount where the export lacks a column of it")
    asks: list[str] = Field(default_factory=list, description="keys of data that only the shop knows")
    notes: list[str] = Field(default_factory=list, description="what it leaves to the user")


@cache
def read_preset(name: PresetName) -> Preset:
    """Return how the exports of a system are read."""
    return Preset.model_validate(yaml.safe_load((_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")))


class DataConfig(Section):
    """Where the purchase log is and how its lines are cleaned."""

    source: str = Field(description="file, directory, glob or database table of the purchase log")
    preset: PresetName | None = Field(
        None,
        description="the system that wrote the export: brings columns, where and other keys of data, each of which may"
        " be given beside it",
    )
    columns: ColumnsConfig = Field(description="input columns, by our names")
    where: str | None = Field(
        None,
        description="which rows are purchases: a condition on the file's columns such as Status = 'Paid'; rows of which"
        " it is not true are left out (counted)",
    )
    amount_per: Literal["line", "order"] = Field(
        "line",
        description="line: each row has its own money; order: the money of an order stands in one or in all of its"
        " rows and counts once, and empty cells of the others are as in the first",
    )
    refunds: Literal["net", "drop", "reject"] = Field(
        "net",
        description="lines of negative amount: net against purchases, drop (counted), or reject (to the rejects file)",
    )
    duplicates: Literal["drop", "keep", "reject"] | None = Field(
        None,
        description="exact repeats of a line: drop (counted), keep, or reject (to the rejects file); by default"
        " dropped, but without an order number those within one file are kept, with a warning",
    )
    overlaps: Literal["latest", "keep"] | None = Field(
        None,
        description="an order that stands in several files with different content: latest (of the file that goes on"
        " longest) or keep (all); by default latest, with a warning, where the files are overlapping exports",
    )
    guests: Literal["keep", "reject"] | None = Field(
        None,
        description="customer ids that stand for nobody (guest, 0, unknown, and guest_ids): keep, or reject; by default"
        " they are kept, with a warning",
    )
    guest_ids: list[str] = Field(
        default_factory=list, description="further customer ids that stand for nobody in particular"
    )
    customer_ids: Literal["as_is", "casefold", "loose"] | None = Field(
        None,
        description="when two customer ids are one: as_is, casefold (equal but for case and blanks) or loose (also but"
        " for leading zeros); by default as they are, with a warning",
    )
    known_warnings: list[str] = Field(
        default_factory=list, description="codes of warnings that were looked into and are not shown again"
    )
    ignore_columns: list[str] = Field(
        default_factory=list,
        description="columns that do not tell lines apart when looking for duplicates, such as the sheet or file name",
    )
    formats: dict[str, str] = Field(
        default_factory=dict,
        description='how a column is written, where its texts leave that open: an example of a number ("1.234,56") or'
        ' the pattern of a date ("%d/%m/%Y", excel, epoch seconds), by our name of the column or the input\'s',
    )
    sheets: list[str] = Field(
        default_factory=list,
        description="sheets of an Excel workbook to read; without any, all that have the mapped columns",
    )
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="share of the texts of a column that may be no number or date; more are refused"
    )
    timezone: str = Field("UTC", description="zone in which a purchase day begins and ends (IANA name)")
    currency: str | None = Field(None, description="currency of the amounts; only lines in it are used")

    @property
    def repeats(self) -> Literal["drop", "keep", "reject", "keep_within"]:
        """What becomes of exact repeats: `duplicates`, or what it stands for where it is not given."""
        return self.duplicates or ("drop" if self.columns.order_id else "keep_within")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, keys: Any) -> Any:
        if not isinstance(keys, dict) or keys.get("preset") not in get_args(PresetName):
            return keys
        preset = read_preset(keys["preset"]).data
        columns = keys.get("columns", {})
        if isinstance(columns, dict):
            columns = {**preset["columns"], **columns}
        return {**preset, **keys, "columns": columns}

    @field_validator("where")
    @classmethod
    def _is_condition(cls, where: str | None) -> str | None:
        if where is not None:
            from clvml.expressions import parse_expression

            parse_expression(where, "truth", "the row filter")
        return where

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"unknown time zone '{zone}'{did_you_mean(zone, available_timezones())}")
        return zone


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


class ModelConfig(Section):
    """What XGBoost takes, and what it is given. The defaults were chosen on earlier folds of several data sets."""

    n_estimators: Annotated[int, Field(gt=0, le=100_000)] = Field(100, description="boosting rounds")
    max_depth: Annotated[int, Field(gt=0, le=16)] = Field(3, description="depth of a tree")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.06, description="shrinkage of each tree")
    min_child_weight: Annotated[float, Field(ge=0, le=1e9)] = Field(
        20.0, description="least hessian weight of a leaf"
    )
    subsample: Annotated[float, Field(gt=0, le=1)] = Field(0.8, description="share of rows per tree")
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6, description="share of features per tree"
    )
    reg_lambda: Annotated[float, Field(ge=0, le=1e9)] = Field(10.0, description="L2 penalty of leaf values")
    n_jobs: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="threads; 0 takes all cores")
    max_rows: Annotated[int, Field(ge=1000, le=10**9)] = Field(
        75_000, description="training rows at most; beyond, a random share of them, the newest cutoffs first"
    )
    base: Literal["blend", "btyd", "trailing", "none"] = Field(
        "blend",
        description="what trees are boosted from: BTYD and trailing spend as they add up best, one of the two"
        " (trailing spend says nothing of churn), or nothing; churn trees from nothing also where unseen customers"
        " say so",
    )
    spend: Literal["tweedie", "hurdle", "mean"] = Field(
        "mean",
        description="how spend is predicted: by one model (tweedie), by P(buy) times the spend of buyers (hurdle), or"
        " by the mean of both",
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
            raise ValueError("nothing is left to learn from; leave out less")
        return groups


class ValueConfig(Section):
    """What a customer is worth: present value of margin, net of retention cost."""

    margin: Annotated[float, Field(gt=0, le=1)] = Field(0.3, description="margin as a share of net spend")
    discount_rate: Annotated[float, Field(ge=0, lt=10)] = Field(0.1, description="discount per year")
    horizon_days: Annotated[int, Field(gt=0, le=3650)] = Field(365, description="days of future that count")
    retention_cost: Annotated[float, Field(ge=0, lt=1e15)] = Field(
        0.0, description="money spent on keeping one customer over the value horizon"
    )


class EvaluationConfig(Section):
    """The rolling-origin backtest."""

    folds: Annotated[int, Field(ge=1, le=24)] = Field(3, description="test cutoffs, newest first")
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        500, description="paired-bootstrap resamples"
    )


# What to do about a customer: the first rule that holds decides. Columns are those of the features and of the scored
# file; `big_spend_365d` is the spend of the last year from which a customer was among the top fifth of spenders at
# training.
# Between two orders, where the usual gap is longer than the horizon, which then says nothing of who stays away.
_BETWEEN_ORDERS = (
    "(purchase_days > 2 and gap_mean > horizon_days and gap_current_ratio <= 1 + gap_variation"
    " and gap_current_ratio <= 1.25)"
)
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

    experiment: str = Field("clvml", min_length=1, description="MLflow experiment")
    registered_model: str = Field("clvml", min_length=1, description="name in the model registry")


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

    def with_source(self, source: str) -> Config:
        """Return the configuration for the same kind of data at another place."""
        return self.model_copy(update={"data": self.data.model_copy(update={"source": source})})


def read_config(path: str | Path, overrides: list[str] | None = None) -> Config:
    """Read and check a YAML configuration.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    overrides : list of str, optional
        ``a.b=c`` assignments applied over the file; values are read as YAML.

    Raises
    ------
    InputError
        The file is missing or not YAML, a key is unknown (the nearest known key is named), a value is
        of the wrong type or range, or a required key is absent.
    """
    raw = read_keys(path, "configuration", "give --config", "docs/configuration.md")
    for assignment in overrides or []:
        assign(raw, assignment)
    return parse_config(raw, f"configuration '{path}'{' with --set' if overrides else ''}")


def read_keys(path: str | Path, what: str, give: str, page: str) -> dict[str, Any]:
    """Read a YAML file of keys; errors call it ``what`` and say how to ``give`` another one.

    Raises
    ------
    InputError
        The file is missing, cannot be read, is not YAML, has a key twice, or holds no keys.
    """
    path = Path(path)
    try:
        raw = read_yaml(path)
    except FileNotFoundError:
        raise InputError(f"{what} '{path}' does not exist; {give} an existing YAML file") from None
    except IsADirectoryError:
        raise InputError(f"{what} '{path}' is a directory; {give} a YAML file") from None
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} '{path}' is not UTF-8 text; {give} a YAML file") from None
    except RepeatedKey as error:
        raise InputError(f"{what} '{path}': {error}; rename or drop one") from None
    except yaml.YAMLError as error:
        raise InputError(f"{what} '{path}' is not valid YAML{_place(error)}; correct it") from None
    if not isinstance(raw, dict):
        raise InputError(f"{what} '{path}' holds no keys; see {page} for an example")
    return raw


def parse_config(raw: dict[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration given as nested dictionaries; ``origin`` names it in errors.

    >>> parse_config({"data": {"source": "x.csv", "columns": {"customer_id": "a", "order_date": "b",
    ...     "amount": "c"}}, "windows": {"horizon_days": 90}}).windows.step_days
    30
    """
    return parse_keys(Config, raw, origin)


def parse_keys(section: type[Keys], raw: dict[str, Any], origin: str) -> Keys:
    """Check keys given as nested dictionaries against a section; ``origin`` names them in errors."""
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        count = error.error_count()
        problems = "\n".join(f"  - {_describe(found, section)}" for found in error.errors()[:_SHOWN_PROBLEMS])
        if count > _SHOWN_PROBLEMS:
            problems += f"\n  - and {count - _SHOWN_PROBLEMS} more"
        raise InputError(f"{origin} has {count} problem{'s' * (count > 1)}:\n{problems}") from None


def assign(raw: dict[str, Any], assignment: str) -> None:
    """Set one key of a configuration given as nested dictionaries; the value is read as YAML.

    >>> raw = {"windows": {"step_days": 30}}
    >>> assign(raw, "windows.horizon_days=90")
    >>> raw
    {'windows': {'step_days': 30, 'horizon_days': 90}}

    Raises
    ------
    InputError
        The assignment is not of the form ``a.b=c``, or goes through a key that holds a value.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(
            f"--set '{assignment}' is not of the form a.b=c, for example windows.horizon_days=90"
        )
    *sections, last = key.split(".")
    for section in sections:
        # A section that is there without any key is None in YAML.
        raw[section] = {} if raw.get(section) is None else raw[section]
        raw = raw[section]
        if not isinstance(raw, dict):
            raise InputError(f"--set '{assignment}': '{section}' holds a value, not keys; set it as a whole")
    try:
        raw[last] = parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(f"--set '{assignment}': the value is not valid YAML; quote it") from None


def overridden(config: Config, overrides: list[str] | None, origin: str) -> Config:
    """Return a configuration with ``a.b=c`` assignments over it; ``origin`` names the two in errors."""
    raw = config.model_dump(mode="json")
    for assignment in overrides or []:
        assign(raw, assignment)
    return parse_config(raw, origin)


def _describe(problem: Any, section: type[BaseModel]) -> str:
    path = ".".join(_cut(str(part)) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1], section)
        return (
            f"unknown key '{path}'{did_you_mean(str(problem['loc'][-1]), known)}; known: {', '.join(known)}"
        )
    if problem["type"] == "missing":
        return f"'{path}' is required"
    if problem["type"] == "model_type":
        keys = ", ".join(_keys_at(problem["loc"], section))
        return f"'{path}' must hold keys ({keys}); currently set to {_shown(problem['input'])}"
    got = problem["input"]
    return f"'{path}': {problem['msg'].removeprefix('Value error, ')}; currently set to {_shown(got)}"


def _shown(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    try:
        return _cut(repr(value))
    except ValueError:
        return "a number of thousands of digits"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..."


def _place(error: yaml.YAMLError) -> str:
    """Return where and why YAML could not be read, on one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return f": {' '.join(str(error).split())}"
    return f": {problem} at line {mark.line + 1}, column {mark.column + 1}"


def _keys_at(location: tuple[Any, ...], section: type[BaseModel]) -> list[str]:
    for part in location:
        # A number or a name that is free leads into a list or mapping of sections, which its field has named.
        if part in section.model_fields:
            section = section_in(section.model_fields[part].annotation) or section
    return list(section.model_fields)


def section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field is, or is a list or mapping of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for kind in get_args(annotation) if (found := section_in(kind))), None)
