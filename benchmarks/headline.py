"""A few headline figures against what was recorded: what CI runs instead of the whole benchmark.

    python benchmarks/headline.py              fails where a figure is worse than its recorded interval
    python benchmarks/headline.py --record     records the figures of now in benchmarks/headline.json

Recorded are, with 95 % bootstrap intervals over customers, each metric of clvml and its gain over the best simple
rule. The interval of a gain is the narrower of the two: which customers were drawn cancels in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from accuracy import OURS, Log, best_others, measure

from cases import CHURN, ROOT, SPEND, Group
from clvml.evaluation.leaderboard import METRICS

GAIN = {"": "difference", "_low": "low", "_high": "high"}
RECORD = Path(__file__).parent / "headline.json"
CASES = (
    Group(
        "cdnow",
        "every tenth customer",
        180,
        (date(1998, 1, 1),),
        "the split that papers use, in calendar days",
    ),
    Group("online_retail", "", 180, (date(2011, 6, 1),), "the date that others publish figures of"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="record the figures of now")
    record = parser.parse_args().record
    now = measured()
    if record:
        RECORD.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        return
    found = worse(now, json.loads(RECORD.read_text(encoding="utf-8")))
    if found:
        sys.exit("\n".join([*found, "If this is meant, record it: python benchmarks/headline.py --record"]))


def measured() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the figures of every case: `{case: {metric: {value, low, high, gain, ...}}}`."""
    with tempfile.TemporaryDirectory() as folder:
        tenth = Path(folder) / "cdnow.parquet"
        duckdb.sql(
            f"copy (from '{ROOT / 'data' / 'cdnow.parquet'}' where cast(customer_id as int) % 10 = 0) to '{tenth}'"
        )
        sources = {"cdnow": str(tenth), "online_retail": None}
        return {
            case.name: figures(measure(case, Log(case.data_set, sources[case.data_set]), ()))
            for case in CASES
        }


def figures(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pooled figures of clvml and its gains over the best rule, by metric."""
    pooled = {row["metric"]: row for row in result["board"]["pooled"] if row["model"] == OURS}
    found = {}
    for row in best_others(result, (*SPEND, *CHURN)):
        own = pooled[row["metric"]]
        found[row["metric"]] = {
            **{name: round(own[name], 6) for name in ("value", "low", "high")},
            "rule": row["opponent"],
            **{f"gain{end}": round(row[name], 6) for end, name in GAIN.items()},
        }
    return found


def worse(now: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """Return in words which figures are worse than their recorded interval.

    >>> row = {"value": 0.6, "low": 0.5, "high": 0.7, "rule": "zero", "gain": 0.4, "gain_low": 0.3}
    >>> worse({"shop": {"wape": row | {"value": 0.8}}}, {"shop": {"wape": row}})
    ['shop: wape is 0.8, recorded 0.6 (0.5 to 0.7)']
    >>> worse({"shop": {"wape": row}}, {"shop": {"wape": row}})
    []
    """
    found = []
    for case, metrics in recorded.items():
        for metric, then in metrics.items():
            mine = now[case][metric]
            better = METRICS[metric].better
            limit = max(abs(then["low"]), abs(then["high"]))
            lost = {
                # Turned round, so that what is not a number is worse.
                "higher": not mine["value"] >= then["low"],
                "lower": not mine["value"] <= then["high"],
                "zero": not abs(mine["value"]) <= limit,
            }[better]
            if lost:
                found.append(
                    f"{case}: {metric} is {mine['value']:g}, recorded {then['value']:g}"
                    f" ({then['low']:g} to {then['high']:g})"
                )
            if not mine["gain"] >= then["gain_low"]:
                found.append(
                    f"{case}: gain in {metric} over '{mine['rule']}' is {mine['gain']:g}, recorded {then['gain']:g}"
                    f" (from {then['gain_low']:g}) over '{then['rule']}'"
                )
    return found


if __name__ == "__main__":
    main()
