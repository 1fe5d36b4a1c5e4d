"""Re-makes docs/benchmarks.md and the table of docs/losses.md: accuracy beside the peers, speed as ratios.

python benchmarks/report.py                      everything; what benchmarks/.cache holds is not made again
python benchmarks/report.py --without-speed      accuracy; the speed on the page stays as it is
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from accuracy import NOT_ALIVE, OURS, SAMPLES, best_others, measure_groups

from cases import CHURN, DATA_SETS, GROUPS, ROOT, SPEND
from clvml.evaluation import METRICS
from clvml.workflows import short_label

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "benchmarks.md"
LOSSES = ROOT / "docs" / "losses.md"
SHOWN = (*SPEND, *CHURN)
SPEED = "## Speed\n"
BY_HAND = "### Out of core, measured by hand\n"
START, END = "<!-- cells: make benchmark -->\n", "<!-- end of cells -->\n"
SIGNS = {"better": "**+**", "no clear difference": "=", "worse": "**−**"}
SHORT = {"expected_calibration_error": "ECE", "decile_calibration_error": "tenths", "total_bias": "total"}

INTRODUCTION = f"""# Benchmarks

Re-made by `make benchmark` (accuracy: benchmarks/accuracy.py; dates and the reasons for them: benchmarks/cases.py).

At each date every model is given the same customers and nothing from that date on, and predicts the same window.
Figures are means over the dates of a group. A verdict compares clvml with **the best of all others in that metric**,
by {SAMPLES} paired bootstrap draws of customers: "better" or "worse" where the 95 % interval of the difference leaves
out zero. The best of some twenty others is chosen on the same data, so its luck counts against clvml.

The others:

- rules: zero; the mean of the last window; the spend of the last 365 days, pro rata; x*t/T; the plain formula; the
  churn rate by recency; the mean of the RFM cell (src/clvml/evaluation/baselines.py);
- lifetimes: BG/NBD, MBG/NBD, Pareto/NBD, each with Gamma-Gamma; penalizer 0, and .001, .01, .1 in turn where
  that does not converge. P(no order in the window) is the library's own for Pareto/NBD and
  1 - P(alive) (1 - ((alpha + T) / (alpha + T + t))^(r + x)) for the other two, which the library lacks;
- pymc-marketing: BG/NBD with Gamma-Gamma, default priors, maximum a posteriori;
- "{NOT_ALIVE}...": what many users of these packages take for churn;
- XGBoost (Tweedie, and a classifier) and LightGBM (a classifier times a gamma regression of what buyers spend), on
  clvml's features and up to six past windows, without its ideas: depth 4 or 31 leaves, learning rate .05, rounds by
  early stopping on the newest window, then fitted again on all (benchmarks/peers/boosted.py).

Their versions are pinned in benchmarks/peers/requirements.txt.

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
    sections = [INTRODUCTION, matrix(results), singly(results), intervals(results)]
    for data_set in DATA_SETS:
        own = [result for result in results if result["group"]["data_set"] == data_set.name]
        sections.append(f"## {data_set.title}\n\n{sentence(data_set.about)}\n")
        sections += [section(result) for result in own]
    PAGE.write_text("\n".join(sections) + f"\n{SPEED}{speed}", encoding="utf-8")
    before, _, rest = LOSSES.read_text(encoding="utf-8").partition(START)
    LOSSES.write_text(before + START + losses(results) + END + rest.partition(END)[2], encoding="utf-8")


def matrix(results: list[dict[str, Any]]) -> str:
    """Return one row per group and one column per metric: better, level or worse than the best of the others."""
    rows, counts = [], Counter()
    for result in results:
        verdicts = {row["metric"]: row["verdict"] for row in best_others(result, SHOWN)}
        counts.update(verdicts.values())
        rows.append([result["name"], *(SIGNS.get(verdicts.get(metric, ""), "·") for metric in SHOWN)])
    total = sum(counts.values())
    shares = ", ".join(f"{verdict} in {counts[verdict]}" for verdict in SIGNS)
    missing = [result["name"] for result in results if not best_others(result, SHOWN)]
    text = f"""## In one table

{SIGNS["better"]} clvml is better than the best of the others, {SIGNS["worse"]} worse, = no clear difference, · not
defined or no forecast. Of {total} cells: {shares}. Every cell that is worse is in [losses.md](losses.md).

{table(["", *map(column, SHOWN)], rows)}
"""
    if missing:
        text += f"\nclvml made no forecast for: {'; '.join(missing)}.\n"
    return text


def singly(results: list[dict[str, Any]]) -> str:
    """Return for each of the others, and each metric, in how many groups clvml is better, level and worse."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        if result["board"]["champion"] == OURS:
            for row in result["board"]["versus"]:
                if row["low"] is not None:
                    counts.setdefault((row["opponent"], row["metric"]), Counter())[row["verdict"]] += 1
    opponents = dict.fromkeys(opponent for opponent, _ in counts)
    rows = []
    for opponent in sorted(opponents, key=lambda name: (name.startswith(NOT_ALIVE), name.lower())):
        cells = [counts.get((opponent, metric), Counter()) for metric in SHOWN]
        rows.append([opponent, *(" ".join(str(cell[v]) for v in SIGNS) if cell else "·" for cell in cells)])
    return f"""## Against each of the others

In how many of the groups clvml is better than this one, not clearly different, and worse. Against zero, WAPE says
little: where most customers spend nothing, forecasts of means with the right total have a larger one.

{table(["", *map(column, SHOWN)], rows)}
"""


def intervals(results: list[dict[str, Any]]) -> str:
    """Return how often the 80 % intervals of spend held, by group."""
    names = ["overall", "one-time buyers", "lowest tenth", "highest tenth", "top tenth"]
    rows = [
        [result["name"], *(percent(result["coverage"][name]) for name in names)]
        for result in results
        if result["coverage"]
    ]
    return f"""## 80 % intervals of spend

Share of customers whose spend lay inside: all; those with one order so far; the tenth by predicted value where it
held least and most; the tenth predicted to spend most. Zero is inside an interval from zero, so that an interval of
customers most of whom spend nothing cannot hold less.

{table(["", *names], rows)}
"""


def section(result: dict[str, Any]) -> str:
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
        heads = ["metric", OURS, "best of the others", "", "gain, 95 % interval", "verdict"]
        text += table(heads, [verdict(row) for row in compared]) + "\n"
    text += "\n"
    for name, said in result["settings"].items():
        text += f"- {name}: {sentence(' / '.join(dict.fromkeys(said.values())) or 'nothing to note')}\n"
    for name, errors in result["failures"].items():
        said = "; ".join(dict.fromkeys(errors.values()))
        text += f"- no forecast by {name} at {', '.join(errors)}: {sentence(said)}\n"
    return text


def verdict(row: dict[str, Any]) -> list[str]:
    metric = METRICS[row["metric"]]
    mine, theirs, low, high = (
        metric.text(row[name], signed=False) for name in ("champion_value", "opponent_value", "low", "high")
    )
    return [metric.label, mine, theirs, row["opponent"], f"{low} to {high}", row["verdict"]]


def losses(results: list[dict[str, Any]]) -> str:
    """Return every cell in which clvml is worse, the largest share of the other's figure first."""
    rows = []
    for result in results:
        for row in best_others(result, SHOWN):
            if row["verdict"] == "worse":
                metric, mine, theirs, opponent, gain, _ = verdict(row)
                lost = abs(row["difference"]) / max(abs(row["opponent_value"]), 1e-12)
                rows.append((lost, [result["name"], metric, mine, theirs, opponent, gain]))
    cells = [cells for _, cells in sorted(rows, key=lambda row: -row[0])]
    heads = ["data set, horizon", "metric", OURS, "best of the others", "", "gain, 95 % interval"]
    failed = [
        f"\n- no forecast for {result['name']}: {sentence('; '.join(result['failures'][OURS].values()))}"
        for result in results
        if OURS in result["failures"]
    ]
    found = f"{len(cells)} cells, the largest loss first:\n\n{table(heads, cells)}\n" if cells else "None.\n"
    return found + "".join(failed) + ("\n" if failed else "")


def column(metric: str) -> str:
    return SHORT.get(metric) or short_label(metric)


def table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def percent(share: float) -> str:
    return "-" if share != share else f"{share:.1%}"


def sentence(text: str) -> str:
    """Return the text with a capital and a full stop, on one line."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def measured_speed() -> str:
    """Return what the benchmarks of speed print."""
    text = "\nWorth reading from a machine that does nothing else meanwhile.\n"
    text += f"\n### Features\n\n{printed('features.py', '--repeat', '3')}\n"
    text += f"\n### Start-up\n\n```\n{printed('startup.py')}\n```\n"
    text += f"\n### Training\n\n{printed('training.py')}\n"
    text += f"\n### Scoring\n\n{printed('scoring.py')}\n"
    # Hours of a machine to itself: measured by hand, and kept.
    return text + "".join(PAGE.read_text(encoding="utf-8").partition(f"\n{BY_HAND}")[1:])


def printed(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
