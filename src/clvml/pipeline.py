"""The stages put together: what each command of the command line does, without printing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from clvml.addresses import hide_password, is_address
from clvml.batches import ScoredTable, score_in_batches
from clvml.config import ColumnsConfig, Config, DataConfig, assign, parse_config
from clvml.database_output import check_database_output, write_database_table
from clvml.errors import InputError
from clvml.evaluation.backtest import MODEL_NAME, Backtest, run_backtest
from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.reach import churn_reach
from clvml.explain import Surrogate, driver_sentences, drivers, log_odds
from clvml.features import available_features
from clvml.files import TABLES, check_output
from clvml.ingest import PurchaseLog, read_purchase_log
from clvml.ingest.mapping import map_columns, propose_columns
from clvml.ingest.source import read_parts
from clvml.models.customer_model import CustomerModel, fit_customer_model
from clvml.score import COLUMNS, Scorer, customer_days, spend_thresholds, tier_thresholds
from clvml.snapshots import CustomerDays
from clvml.spark import SparkLog, read_lines, sampled, score_lines
from clvml.tracking.record import TrainingRecord
from clvml.windows import HistoryVerdict, check_history

Progress = Callable[[str], None]

ASSUMED_HORIZON_DAYS = 180
_REQUIRED = ("customer_id", "order_date", "amount")
_EXAMPLE_CUSTOMERS = 5
# From so many days without an order on, a log looks cut off.
_SILENCE_DAYS = 31


@dataclass(frozen=True)
class Prepared:
    """A purchase log that was read, the date up to which it is used, and a note on that date."""

    log: PurchaseLog
    as_of: date
    note: str


@dataclass(frozen=True)
class Trained:
    """A finished training, not yet logged.

    Attributes
    ----------
    scorer : Scorer
        The model with its explanation.
    backtest : Backtest or None
        None where the log is too short for a fold.
    record : TrainingRecord
        What tracking logs.
    driver_sentences : list of str
        What drives retention, in words.
    """

    scorer: Scorer
    backtest: Backtest | None
    record: TrainingRecord
    driver_sentences: list[str]


def assume_config(source: str, overrides: list[str] | None = None) -> Config:
    """Return a configuration for a log of which nothing is known but the names of its columns.

    Parameters
    ----------
    source : str
        The purchase log.
    overrides : list of str, optional
        ``a.b=c`` assignments; columns named there are taken as they are.

    Raises
    ------
    InputError
        The source cannot be read, or no column looks like a customer, a date or an amount.
    """
    raw: dict[str, Any] = {
        "data": {"source": source, "columns": {}},
        "windows": {"horizon_days": ASSUMED_HORIZON_DAYS},
    }
    for assignment in overrides or []:
        assign(raw, assignment)
    data = raw["data"]
    if not isinstance(data, dict) or not isinstance(data.get("columns"), dict):
        return parse_config(raw, "--set")
    named: dict[str, Any] = data["columns"]
    with duckdb.connect() as connection:
        first = read_parts(connection, source)[0]
    fields = ColumnsConfig.model_fields
    known = {ours: theirs for ours, theirs in named.items() if isinstance(theirs, str) and ours in fields}
    proposed = propose_columns(known, first.columns)
    free = {ours: theirs for ours, theirs in proposed.items() if theirs not in named.values()}
    data["columns"] = columns = {**free, **named}
    unknown = [ours for ours in _REQUIRED if not columns.get(ours)]
    if unknown:
        try:
            map_columns(
                ColumnsConfig(**{ours: known.get(ours, ours) for ours in _REQUIRED}),
                first.columns,
                first.name,
            )
        except InputError as error:
            raise InputError(
                f"{error} Without --config, name it with --set data.columns.{unknown[0]}=COLUMN"
            ) from None
    return parse_config(raw, "--set")


@dataclass(frozen=True)
class PreparedOnSpark:
    """As `Prepared`, with the log on Spark."""

    log: SparkLog
    as_of: date
    note: str


def prepare(
    data: DataConfig,
    now: datetime,
    source: str | None = None,
    as_of: date | None = None,
    rejects: Path | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> Prepared:
    """Read and clean a purchase log; ``as_of`` is the day after its last line unless given.

    The log's table is made in ``connection`` (`clvml.workspace`), or in a new database in memory.
    """
    source = source or data.source
    if rejects is not None:
        check_output(rejects, TABLES, source, "rejects file")
    log = read_purchase_log(data, source=source, connection=connection, now=now, as_of=as_of, rejects=rejects)
    return Prepared(log, *_dated(log.last_day, as_of))


def prepare_on_spark(
    session: Any, data: DataConfig, now: datetime, source: str | None = None, as_of: date | None = None
) -> PreparedOnSpark:
    """Read and clean a purchase log in a Spark session; see `prepare`."""
    log = read_lines(session, data, source or data.source, now, as_of)
    return PreparedOnSpark(log, *_dated(log.last_day, as_of))


def sample_from_spark(
    prepared: PreparedOnSpark, config: Config, connection: duckdb.DuckDBPyConnection
) -> Prepared:
    """Bring the lines of some of the customers from Spark into ``connection``, to train on."""
    log = sampled(prepared.log, config, prepared.as_of, connection)
    return Prepared(log, prepared.as_of, prepared.note)


def _dated(last_day: date, as_of: date | None) -> tuple[date, str]:
    """Return the date up to which a log is used, and a note on it."""
    if as_of is None:
        chosen = last_day + timedelta(days=1)
        return chosen, f"as of {chosen}, the day after the last order; --as-of sets another date"
    silent = (as_of - last_day).days
    note = (
        f"no order in the {silent:,} days before {as_of}: if orders are missing since {last_day}, customers"
        " look likelier to leave than they are; leave --as-of out to start at the day after the last order"
    )
    return as_of, note if silent > _SILENCE_DAYS else ""


def check_length(prepared: Prepared, config: Config) -> HistoryVerdict:
    """Return whether there is enough history for the horizon of the configuration."""
    return check_history(prepared.log.first_day, prepared.as_of, config.windows)


def backtest(
    prepared: Prepared, config: Config, folds: int | None = None, progress: Progress = lambda text: None
) -> Backtest:
    """Run the rolling-origin leaderboard on a prepared log."""
    return run_backtest(customer_days(prepared.log), prepared.as_of, config, folds, progress)


def train(
    prepared: Prepared, config: Config, directory: Path, progress: Progress = lambda text: None
) -> Trained:
    """Train on everything before ``prepared.as_of``, test out of time, explain, and save.

    Parameters
    ----------
    prepared : Prepared
        The purchase log.
    config : Config
        The configuration.
    directory : Path
        An existing folder; the model is written there.
    progress : callable
        Told what is being done.

    Raises
    ------
    InputError
        Fewer than two customers bought anything.
    """
    log, as_of = prepared.log, prepared.as_of
    # The model keeps its configuration.
    config = config.with_source(hide_password(config.data.source))
    progress("building the features")
    days = customer_days(log)
    notes = [prepared.note] if prepared.note else []
    tested: Backtest | None = None
    try:
        tested = run_backtest(days, as_of, config, progress=progress)
    except InputError as error:
        notes.append(f"not tested out of time: {error}")
    progress(f"training as of {as_of}")
    model = fit_customer_model(days, as_of, config)
    progress("explaining")
    model, surrogate, features = _explain(model, days, as_of)
    scorer = Scorer(model, surrogate)
    scorer.save(directory)
    known = available_features(model.columns)
    contributions = surrogate.contributions(features)
    notes += model.notes
    notes.append(
        f"reasons come from trees that mimic the churn model; they explain {surrogate.fidelity_:.1%} of it"
    )
    sentences = driver_sentences(contributions, known, features)
    record = TrainingRecord(
        config=config,
        as_of=as_of,
        horizon_days=model.horizon_days,
        fingerprint=log.fingerprint,
        quality=log.quality.to_dict(),
        quality_text=log.quality.to_text(),
        metrics=headline_metrics(tested) if tested else {},
        fold_metrics=tested.leaderboard.folds
        if tested
        else pd.DataFrame(columns=["model", "cutoff", "metric", "value"]),
        leaderboard=tested.leaderboard.table() if tested else pd.DataFrame(),
        verdicts=tested.leaderboard.verdicts() if tested else [],
        figures=_figures(tested, contributions, known, features, config),
        drivers=drivers(contributions, known, features),
        model_directory=directory,
        signature_example=_example(log, config.data),
        notes=notes,
        model_name=MODEL_NAME,
        predictions=_tested_predictions(tested) if tested else pd.DataFrame(),
    )
    return Trained(scorer, tested, record, sentences)


def _tested_predictions(tested: Backtest) -> pd.DataFrame:
    """Return what our model predicted out of time, and what happened: what later runs are compared with."""
    ours = next(model for model in tested.models if model.name == MODEL_NAME)
    columns = {
        "cutoff": "cutoff",
        "customer_id": "customer_id",
        "actual_spend": "actual_spend",
        "churned": "churned",
        ours.spend: "spend",
        ours.churn: "p_churn",
    }
    return tested.predictions[list(columns)].rename(columns=columns)


def score(
    prepared: Prepared,
    scorer: Scorer,
    explain: Literal["all", "none"] | int = "all",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> ScoredTable:
    """Score a prepared log; ``progress`` is told how many customers of how many are done."""
    return score_in_batches(scorer, customer_days(prepared.log), prepared.as_of, explain, progress)


def score_on_spark(
    prepared: PreparedOnSpark,
    scorer: Scorer,
    connection: duckdb.DuckDBPyConnection,
    explain: Literal["all", "none"] | int = "all",
) -> ScoredTable:
    """Score a log on Spark, and bring the rows into a table of ``connection``."""
    scored = ScoredTable(connection)
    score_lines(prepared.log, scorer, prepared.as_of, scored, explain)
    return scored


def check_scored_output(output: str, source: str) -> None:
    """Refuse a file or database table that the scored rows could not be written to, or that holds something else.

    Raises
    ------
    InputError
        See `clvml.files.check_output` and `clvml.database_output.check_database_output`.
    """
    if is_address(output):
        check_database_output(output, COLUMNS, source)
    else:
        check_output(Path(output), TABLES, source)


def write_scored(scored: ScoredTable, output: str) -> None:
    """Write the scored rows into a file or database table, whole or not at all."""
    if is_address(output):
        frames = (pa.Table.from_pandas(frame, preserve_index=False) for frame in scored.frames())
        write_database_table(frames, output)
    else:
        scored.write(Path(output))


def scoring_notes(
    prepared: Prepared | PreparedOnSpark, scorer: Scorer, config: Config, today: date | None = None
) -> list[str]:
    """Return what to know about a scored file: its date, the age of data and model, settings without effect.

    ``today`` is None where the date of the scores was asked for: a past one then needs no word about it.
    """
    notes = [prepared.note] if prepared.note else []
    model = scorer.model
    silent = (today - prepared.as_of).days if today else 0
    if silent > model.horizon_days:
        notes.append(
            f"the scores are as of {prepared.as_of}, {silent:,} days ago and longer than the horizon of"
            f" {model.horizon_days:,} days: they say what was to be expected then; give newer data to look ahead"
        )
    age = (prepared.as_of - model.as_of).days
    if age > model.horizon_days:
        notes.append(
            f"the model was trained {age:,} days before {prepared.as_of}, longer ago than its horizon of"
            f" {model.horizon_days:,} days; train it again"
        )
    elif age < 0:
        notes.append(
            f"the model was trained on data up to {model.as_of}, after {prepared.as_of}: it has seen what it"
            " predicts here"
        )
    fixed = {
        "windows.horizon_days": (config.windows.horizon_days, model.horizon_days),
        **{
            f"value.{name}": (asked, getattr(model.config.value, name))
            for name, asked in config.value.model_dump().items()
        },
    }
    ignored = [f"{key} ({asked} asked, {used} used)" for key, (asked, used) in fixed.items() if asked != used]
    if ignored:
        notes.append(f"the model was trained with other settings, which count: {', '.join(ignored)}")
    return notes


def answer(tested: Backtest) -> str:
    """Return in one sentence how the model compares with the baselines."""
    board = tested.leaderboard
    best = {row["metric"]: row for row in board.best_others().to_dict("records")}
    dates = len(board.folds["cutoff"].unique())
    parts = []
    if _defined(best, "gini"):
        parts.append(f"finds the money {_standing(tested, best, 'gini')}")
    if _defined(best, "wape"):
        row = best["wape"]
        mine = METRICS["wape"].text(row["champion_value"])
        theirs = f"{METRICS['wape'].text(row['opponent_value'])} of {short_name(row['opponent'])}"
        words = {"better": f"below the {theirs}", "worse": f"above the {theirs}"}
        said = words.get(row["verdict"], f"not clearly different from the {theirs}")
        parts.append(f"its spend error (WAPE) is {mine}, {said}")
    if _defined(best, "roc_auc"):
        parts.append(f"it tells who will leave {_standing(tested, best, 'roc_auc')}")
    if _defined(best, "total_bias"):
        size = METRICS["total_bias"].text(best["total_bias"]["champion_value"], signed=False)
        parts.append(f"the total it expected was {size} off on average")
    said = "; ".join(parts) or "could not be compared, because nothing happened in the test windows"
    return f"Across {dates} test date{'s' * (dates > 1)}, {MODEL_NAME} {said}."


def reach(tested: Backtest) -> tuple[date, pd.DataFrame]:
    """Return the newest test date, and whom each churn cut-off reached on it (`churn_reach`)."""
    newest = tested.predictions["cutoff"].max()
    rows = tested.predictions[tested.predictions["cutoff"] == newest]
    return pd.Timestamp(newest).date(), churn_reach(rows["churned"], rows[tested.models[0].churn])


def standings(tested: Backtest, metrics: Sequence[str]) -> dict[str, list[str]]:
    """Return ``{verdict: metrics}`` in words, against the best baseline of each metric."""
    found: dict[str, list[str]] = {"better": [], "no clear difference": [], "worse": []}
    rows = {row["metric"]: row for row in tested.leaderboard.best_others().to_dict("records")}
    for name in metrics:
        if _defined(rows, name):
            row, metric = rows[name], METRICS[name]
            theirs = metric.text(row["opponent_value"], signed=False)
            label = "size of the bias" if name == "total_bias" else short_label(name)
            found[row["verdict"]].append(f"{label} ({short_name(row['opponent'])}: {theirs})")
    return found


def short_label(metric: str) -> str:
    """Return the name of a metric for the head of a column.

    >>> short_label("wape"), short_label("top_10_share")
    ('WAPE', 'top 10 %')
    """
    label = METRICS[metric].label
    return label.partition("(")[2].rstrip(")") or label.removeprefix("Money in the ")


def short_name(model: str) -> str:
    """Return the name of a model without what it says in brackets.

    >>> short_name("BTYD (MBG/NBD, Gamma-Gamma)")
    'BTYD'
    """
    return model.partition(" (")[0]


def _defined(rows: Mapping[str, Any], metric: str) -> bool:
    return metric in rows and bool(np.isfinite([rows[metric]["champion_value"], rows[metric]["low"]]).all())


def _standing(tested: Backtest, best: Mapping[str, Any], metric: str) -> str:
    versus = tested.leaderboard.versus
    if (versus.loc[versus["metric"] == metric, "verdict"] == "better").all():
        return "better than every baseline"
    row = best[metric]
    how = "worse than" if row["verdict"] == "worse" else "about as well as"
    return f"{how} the best baseline, {short_name(row['opponent'])}"


def headline_metrics(tested: Backtest) -> dict[str, float]:
    """Return the pooled metrics of our model by name, with the coverage of its intervals."""
    pooled = tested.leaderboard.pooled
    ours = pooled[pooled["model"] == MODEL_NAME]
    metrics = {str(metric): float(value) for metric, value in zip(ours["metric"], ours["value"], strict=True)}
    frame = tested.predictions
    # Refunds of earlier purchases can make spend negative; an interval from zero holds what is at most zero.
    actual = np.maximum(frame["actual_spend"], 0.0)
    held = pd.Series((actual >= frame["low"]) & (actual <= frame["high"]))
    metrics["interval_coverage"] = float(held.groupby(frame["cutoff"]).mean().mean())
    return metrics


def _explain(
    model: CustomerModel, days: CustomerDays, as_of: date
) -> tuple[CustomerModel, Surrogate, pd.DataFrame]:
    """Fit the explanation on customers at the newest training cutoff and now; set the tiers from now."""
    windows = model.config.windows
    now = days.features(as_of, windows.horizon_days)
    now = now[now["purchase_days"] > 0].reset_index(drop=True)
    cutoff = model.newest_cutoff
    past = days.features(cutoff, windows.horizon_days)
    past = past[past["purchase_days"] > 0]
    predicted = model.predict(now, as_of)
    names = [feature.name for feature in available_features(model.columns)]
    surrogate = Surrogate().fit(
        pd.concat([now[names], past[names]], ignore_index=True),
        log_odds(np.concatenate([predicted["p_churn"], model.predict(past, cutoff)["p_churn"]])),
        seed=model.config.seed,
    )
    tiers = tier_thresholds(predicted["clv"].to_numpy())
    return model.with_tiers(tiers, spend_thresholds(now["spend_sum_365d"].to_numpy())), surrogate, now


def _figures(tested, contributions, known, features, config):
    # Imported here: matplotlib and shap take a second, and scoring needs neither.
    from clvml.evaluation import plot_churn_calibration, plot_gains, plot_leaderboard, plot_spend_deciles
    from clvml.explain.plots import plot_drivers_bar, plot_drivers_beeswarm

    figures = {
        "shap_bar": plot_drivers_bar(contributions, known, features),
        "shap_beeswarm": plot_drivers_beeswarm(contributions, known, features, seed=config.seed),
    }
    if tested is None:
        return figures
    newest = tested.predictions[tested.predictions["cutoff"] == tested.predictions["cutoff"].max()]
    ours = tested.models[0]
    spends = {m.name: newest[m.spend].to_numpy() for m in tested.models if m.spend and m.name != "zero"}
    actual = newest["actual_spend"].to_numpy()
    return {
        "calibration": plot_churn_calibration(newest["churned"], newest[ours.churn]),
        "deciles": plot_spend_deciles(actual, newest[ours.spend], config.data.currency or ""),
        "gains": plot_gains(actual, spends, ours.name),
        "leaderboard_wape": plot_leaderboard(tested.leaderboard, "wape"),
        "leaderboard_auc": plot_leaderboard(tested.leaderboard, "roc_auc"),
        **figures,
    }


def _example(log: PurchaseLog, data: DataConfig) -> pd.DataFrame:
    """Return the lines of a few customers under the names of the input, as an example for MLflow."""
    theirs = data.columns.mapped()
    held = {("order_ts" if name == "order_date" else name): theirs[name] for name in theirs}
    chosen = ", ".join(f'{ours} as "{name}"' for ours, name in held.items() if ours in log.columns)
    if data.columns.currency:
        chosen += f", '{data.currency or log.quality.currency}' as \"{data.columns.currency}\""
    return log.connection.execute(
        f"select {chosen} from {log.table} where customer_id in (select distinct customer_id from {log.table}"
        f" order by customer_id limit {_EXAMPLE_CUSTOMERS}) order by customer_id, order_ts, amount limit 50"
    ).df()
