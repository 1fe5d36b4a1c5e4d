"""Re-makes docs/benchmarks.md and the table of docs/losses.md: accuracy beside the peers, speed as ratios.

python benchmarks/report.py                      everything; what benchmarks/.cache holds is not made again
python benchmarks/report.py --without-speed      accuracy; the speed on the page stays as it is
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from accuracy import NOT_ALIVE, OURS, SAMPLES, best_others, measure_groups
from league import (
    BETTER,
    JUDGED,
    LEVEL,
    WORSE,
    Comparison,
    comparisons,
    count,
    interval_league,
    league,
)

from cases import CHURN, DATA_SETS, GROUPS, ROOT, SPEND
from clvml.evaluation.leaderboard import METRICS
from clvml.evaluation.versus import short_label

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "benchmarks.md"
LOSSES = ROOT / "docs" / "losses.md"
SHOWN = (*SPEND, *CHURN)
SPEED = "## Speed\n"
BY_HAND = "### Out of core, measured by hand\n"
START, END = "<!-- cells: make benchmark -->\n", "<!-- end of cells -->\n"
VERDICTS = (BETTER, LEVEL, WORSE)
SHORT = {"expected_calibration_error": "ECE", "decile_calibration_error": "tenths", "total_bias": "total"}

INTRODUCTION = f"""# Benchmarks

Re-made by `make benchmark` (accuracy: benchmarks/accuracy.py; dates and the reasons for them: benchmarks/cases.py).

At each date every model is given the same customers and nothing from that date on, and predicts the same window.
Figures are means over the dates of a group. A verdict compares clvml with **each rival** on that mean, by
{SAMPLES} paired bootstrap draws of customers. "Better" and "worse" are differences whose p-value passes Holm's
correction over all rivals in that metric (5 %; benchmarks/league.py), so that one of many is not called clear by luck.

A forecast is judged by what is proper for what it promises: RMSE, Gini and the total for spend, AUC, log loss and Brier
score for churn, the interval score for intervals. The other metrics are printed beside them: WAPE is smallest for
medians, which are zero where most customers buy nothing, Spearman's correlation rewards ties at zero, and errors by
tenth and ECE are smallest for a constant of the right level.

The others:

- rules: zero; the mean of the last window; the spend of the last 365 days, pro rata; x*t/T; the plain formula, the
  spend per month times the months, and the yearly profit times the years a customer is kept; the churn rate by recency;
  the mean of the RFM cell (src/clvml/evaluation/baselines.py);
- lifetimes: BG/NBD, MBG/NBD, Pareto/NBD, each with Gamma-Gamma; penalizer 0, and .001, .01, .1 in turn where
  that does not converge. P(no order in the window) is the library's own for Pareto/NBD and
  1 - P(alive) (1 - ((alpha + T) / (alpha + T + t))^(r + x)) for the other two, which the library lacks;
- pymc-marketing: BG/NBD and Pareto/NBD with Gamma-Gamma, default priors, maximum a posteriori, P(no order in the
  window) the library's own;
- "{NOT_ALIVE}...": what many users of these packages take for churn;
- XGBoost and CatBoost (Tweedie, and a classifier) and LightGBM (a classifier times a gamma regression of what buyers
  spend, and quantile regressions for its interval), on clvml's features and up to six past windows, without its ideas:
  depth 4, depth 6 or 31 leaves, rounds by early stopping on the newest window, then fitted again on all
  (benchmarks/peers/boosted.py);
- LightGBM ZILN: the same LightGBM with the zero-inflated lognormal loss of Wang, Liu and Miao (2019): one model of
  P(spend > 0) and of mean and variance of the logarithm of what is spent then, from which come expected spend, churn
  (no spend) and the interval (benchmarks/peers/ziln.py);
- AutoGluon's tabular predictor, preset medium_quality, on the same features and windows: a regression on squared error
  and a classification on log loss, chosen and weighted on the newest window, the best fitted again on all; 20 processor
  seconds for each (the clock would give it less on a busy machine), with LightGBM, CatBoost and XGBoost, without random
  forests, which do not keep to that time, and without networks (benchmarks/peers/automl.py).

Their versions are pinned in benchmarks/peers/requirements.txt, AutoGluon's in requirements-automl.txt there.

None was fitted to a test window. Online Retail II and CDNOW were looked at while clvml's recipe was developed
(docs/decisions/002), and all five logs, these dates among others, for the choices of docs/decisions/006 to 009; so were
four logs that are not here.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-speed", action="store_true", help="leave the speed on the page as it is")
    without_speed = parser.parse_args().without_speed
    results = measure_groups(GROUPS)
    speed = PAGE.read_text(encoding="utf-8").partition(SPEED)[2] if without_speed else measured_speed()
    found = [one for result in results for one in comparisons(result, OURS, SHOWN)]
    sections = [INTRODUCTION, leagues(results, found), matrix(results, found), singly(found)]
    sections += [intervals(results), next_orders(results)]
    for data_set in DATA_SETS:
        own = [result for result in results if result["group"]["data_set"] == data_set.name]
        sections.append(f"## {data_set.title}\n\n{sentence(data_set.about)}\n")
        sections += [section(result, found) for result in own]
    PAGE.write_text("\n".join(sections) + f"\n{SPEED}{speed}", encoding="utf-8")
    before, _, rest = LOSSES.read_text(encoding="utf-8").partition(START)
    LOSSES.write_text(
        before + START + losses(results, found) + END + rest.partition(END)[2], encoding="utf-8"
    )


def leagues(results: list[dict[str, Any]], found: list[Comparison]) -> str:
    """Return the league of logs with past windows, that of short logs, and how many comparisons are lost."""
    judged = count(one for one in found if one.metric in JUDGED)
    total = sum(judged.values())
    text = f"""## League

Of {total} comparisons in the six metrics clvml is clearly better in {judged[BETTER]}, level in {judged[LEVEL]} and
clearly worse in {judged[WORSE]} ({percent(judged[WORSE] / max(total, 1))}).
Every one that is worse is in [losses.md](losses.md).

Mean rank, and in brackets mean skill: 1 for a perfect forecast, 0 for the best constant, known afterwards (Gini
itself; 2 AUC - 1; 1 - score / score of the constant). In brackets for the total: mean |log(predicted / actual)|. Each
log counts the same. A method without a forecast at some dates ranks last there, with skill 0.
"""
    for title, chosen in (
        ("Logs with a past window to learn from", [r for r in results if learns(r)]),
        ("Short logs: no window of this horizon had ended", [r for r in results if not learns(r)]),
    ):
        if not chosen:
            continue
        names = dict.fromkeys(model for result in chosen for model in result["board"]["models"])
        places = league(chosen, [name for name in names if not name.startswith(NOT_ALIVE)])
        ranks, skills = (
            places.pivot(index="model", columns="metric", values=value).reindex(columns=JUDGED)
            for value in ("rank", "skill")
        )
        order = ranks.mean(axis=1).sort_values(kind="stable").index
        rows = [
            [
                model,
                *(
                    "·"
                    if ranks.isna().at[model, m]
                    else f"{ranks.at[model, m]:.1f} ({skills.at[model, m]:.3f})"
                    for m in JUDGED
                ),
            ]
            for model in order
        ]
        logs = len({result["group"]["data_set"] for result in chosen})
        text += f"\n**{title}** (groups: {len(chosen)}, logs: {logs})\n\n"
        text += table(["", *map(column, JUDGED)], rows) + "\n"
    return text


def learns(result: dict[str, Any]) -> bool:
    """Return whether models that learn from past windows had one."""
    return not {"LightGBM", "XGBoost"} & set(result["failures"])


def matrix(results: list[dict[str, Any]], found: list[Comparison]) -> str:
    """Return one row per group and one column per metric: how many rivals are beaten, level and ahead."""
    rows = []
    for result in results:
        own = [one for one in found if one.group == result["name"]]
        rows.append([result["name"], *(numbers(one for one in own if one.metric == m) for m in SHOWN)])
    missing = [result["name"] for result in results if OURS in result["failures"]]
    text = f"""## In one table

Over how many of the others clvml is clearly better, from how many it is not clearly different, and how many are
clearly better; · is not defined or no forecast.

{table(["", *map(column, SHOWN)], rows)}
"""
    if missing:
        text += f"\nclvml made no forecast for: {'; '.join(missing)}.\n"
    return text


def singly(found: list[Comparison]) -> str:
    """Return for each of the others, and each metric, in how many groups clvml is better, level and worse."""
    rivals = dict.fromkeys(one.rival for one in found)
    rows = []
    for rival in sorted(rivals, key=lambda name: (name.startswith(NOT_ALIVE), name.lower())):
        own = [one for one in found if one.rival == rival]
        rows.append([rival, *(numbers(one for one in own if one.metric == m) for m in SHOWN)])
    return f"""## Against each of the others

In how many of the groups clvml is clearly better than this one, not clearly different, and clearly worse.

{table(["", *map(column, SHOWN)], rows)}
"""


def numbers(found: Iterable[Comparison]) -> str:
    """Return "better level worse" as text, the last in bold where there is any."""
    counts = count(found)
    if not counts:
        return "·"
    worse = f"**{counts[WORSE]}**" if counts[WORSE] else "0"
    return f"{counts[BETTER]} {counts[LEVEL]} {worse}"


def intervals(results: list[dict[str, Any]]) -> str:
    """Return how often the 80 % intervals of spend held, by group."""
    names = ["overall", "one-time buyers", "lowest tenth", "highest tenth", "top tenth"]
    rows = [
        [result["name"], *(percent(result["coverage"][name]) for name in names)]
        for result in results
        if result["coverage"]
    ]
    scored = [result for result in results if len(result["interval_scores"]) > 1]
    places = [
        [str(row.Index), f"{row.rank:.1f}", f"{row.ratio:.2f}", percent(row.held)]
        for row in interval_league(scored).itertuples()
    ]
    return f"""## 80 % intervals of spend

Share of customers whose spend lay inside: all; those with one order so far; the tenth by predicted value where it
held least and most; the tenth predicted to spend most. Zero is inside an interval from zero, so that an interval of
customers most of whom spend nothing cannot hold less.

{table(["", *names], rows)}

The interval score is the width plus ten times the distance of what lies outside: smallest for the 10 % and the 90 %
quantile. clvml's interval is the shortest that holds 80 %: where nothing may well be bought it reaches from 0 to the
80 % quantile, which this score does not reward. Over all groups where both have intervals, each log counting the same:

{table(["", "mean rank", "score over the best", "held"], places)}
"""


def next_orders(results: list[dict[str, Any]]) -> str:
    """Return how near the date of the next order came, by group."""
    rows = []
    for result in results:
        if result["next_order"] and result["next_order"]["customers"]:
            found = result["next_order"]
            rows.append(
                [
                    result["name"],
                    f"{found['customers']:,}",
                    *(f"{found[name]:.1f}" for name in ("error", "usual_error")),
                ]
            )
    heads = ["", "customers", "clvml, days", "usual gap, days"]
    return f"""## Date of the next order

Median distance of the expected from the actual day, over customers with a usual gap who came back before the log ended
(over all dates of a group): `next_order_date`, and the last order plus the usual gap. The date says when customers
come back who do; whether they do is `p_churn`.

{table(heads, rows)}
"""


def section(result: dict[str, Any], found: list[Comparison]) -> str:
    """Return the table, the verdicts and the failures of a group."""
    group, board = result["group"], result["board"]
    values = {(row["model"], row["metric"]): row["value"] for row in board["pooled"]}
    shown = sorted(
        board["models"],
        key=lambda model: (model != OURS, model.startswith(NOT_ALIVE), values.get((model, "wape")) or 9e9),
    )
    body = [
        [
            model,
            *("-" if (value := values.get((model, m))) is None else METRICS[m].text(value) for m in SHOWN),
        ]
        for model in shown
    ]
    kind = f", {group['kind']}" if group["kind"] else ""
    dates = ", ".join(str(cutoff) for cutoff in group["cutoffs"])
    text = f"""### {group["horizon_days"]} days{kind}

{dates} ({group["reason"]}); {result["customers"]:,.0f} customers per date, {result["churn_rate"]:.0%} of them without
an order in the window.

{table(["", *map(column, SHOWN)], body)}

"""
    compared = best_others(result, SHOWN)
    if compared:
        heads = ["metric", OURS, "best of the others", "", "gain, 95 % interval", "better, level, worse"]
        own = [one for one in found if one.group == result["name"]]
        text += table(heads, [against(row, own) for row in compared]) + "\n"
    text += "\n"
    for name, said in result["settings"].items():
        text += f"- {name}: {sentence(' / '.join(dict.fromkeys(said.values())) or 'nothing to note')}\n"
    for name, errors in result["failures"].items():
        said = "; ".join(dict.fromkeys(errors.values()))
        text += f"- no forecast by {name} at {', '.join(errors)}: {sentence(said)}\n"
    return text


def against(row: dict[str, Any], found: list[Comparison]) -> list[str]:
    """Return the comparison with the best of the others as cells, and how clvml stands to all of them."""
    metric = METRICS[row["metric"]]
    mine, theirs, low, high = (
        metric.text(row[name], signed=False) for name in ("champion_value", "opponent_value", "low", "high")
    )
    all_others = numbers(one for one in found if one.metric == row["metric"])
    return [metric.label, mine, theirs, row["opponent"], f"{low} to {high}", all_others]


def losses(results: list[dict[str, Any]], found: list[Comparison]) -> str:
    """Return every comparison by a judged metric in which clvml is clearly worse, the largest loss first."""
    lost = [one for one in found if one.metric in JUDGED and one.verdict == WORSE]
    lost.sort(key=lambda one: one.row["difference"] / max(abs(one.row["opponent_value"]), 1e-12))
    cells = [[one.group, *against(one.row, found)[:5]] for one in lost]
    heads = ["data set, horizon", "metric", OURS, "the other", "", "gain, 95 % interval"]
    failed = [
        f"\n- no forecast for {result['name']}: {sentence('; '.join(result['failures'][OURS].values()))}"
        for result in results
        if OURS in result["failures"]
    ]
    of = sum(one.metric in JUDGED for one in found)
    said = f"{len(cells)} of {of} comparisons, the largest loss first:\n\n{table(heads, cells)}\n"
    return (said if cells else "None.\n") + "".join(failed) + ("\n" if failed else "")


def column(metric: str) -> str:
    return SHORT.get(metric) or short_label(metric)


def table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.1f} %"


def sentence(text: str) -> str:
    """Return the text with a capital and a full stop, on one line."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def measured_speed() -> str:
    """Return what the benchmarks of speed print."""
    text = "\nWorth reading from a machine that does nothing else meanwhile.\n"
    text += f"\n### Features\n\n{printed('features.py', '--repeat', '3')}\n"
    text += "\nWhere the time goes is in [decision 001](decisions/001-one-table-of-customer-days.md).\n"
    text += f"\n### Start-up\n\n```\n{printed('startup.py', '--score')}\n```\n"
    text += (
        "\nThe help is held against `import typer`, `import clvml` against `import pandas`, and the first score of a\n"
        "notebook (CDNOW, trained and scored) against what the commands call.\n"
    )
    trainings = (printed("training.py", *way) for way in ([], ["--sample"], ["--command"]))
    text += "\n### Training\n\n{}\n".format("\n\n".join(trainings))
    text += f"\n### Scoring\n\n{printed('scoring.py')}\n"
    text += f"\n### Planning\n\n{printed('planning.py')}\n"
    # Hours of a machine to itself: measured by hand, and kept.
    return text + "".join(PAGE.read_text(encoding="utf-8").partition(f"\n{BY_HAND}")[1:])


def printed(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
