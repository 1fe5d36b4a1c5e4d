"""Re-makes docs/benchmarks.md: accuracy beside the baselines on both sample logs, speed as ratios.

.venv/bin/python benchmarks/report.py            everything (about fifteen minutes on two cores)
.venv/bin/python benchmarks/report.py --small    in two minutes, printed instead of written
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from clvml import pipeline
from clvml.config import read_config

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SPEND = ("wape", "rmse", "spearman", "gini", "total_bias", "decile_calibration_error", "top_10_share")
CHURN = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")
HORIZONS = {"online_retail": (90, 180), "cdnow": (90, 180)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="one horizon, few trees, a small log")
    small = parser.parse_args().small
    text = f"""# Benchmarks

Re-made by `make benchmark`. Speed is worth reading from a machine that does nothing else meanwhile.

## Accuracy

Rolling origin: at each test date the model is trained on what was known then. Every figure is the mean over the
test dates; verdicts compare the model with the best of the others, with 95 % paired-bootstrap intervals over
customers. A model knows nothing of its test window (the recipe was developed on these two logs: docs/decisions/002).

{"".join(accuracy(name, horizon, small) for name in HORIZONS for horizon in HORIZONS[name][: 1 if small else None])}
## Speed

### Features

{measured("features.py", ["--small"] if small else ["--repeat", "3"])}

### Scoring and reasons

{measured("scoring.py", ["--small", "--repeat", "1"] if small else [])}

### Start-up

```
{measured("startup.py", [])}
```
"""
    if small:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")


def accuracy(name: str, horizon: int, small: bool) -> str:
    """Return the section of one sample log and horizon."""
    changes = [f"windows.horizon_days={horizon}", *(["model.n_estimators=20"] if small else [])]
    config = read_config(HERE.parent / "configs" / f"{name}.yaml", changes)
    prepared = pipeline.prepare(config.data, datetime.now(UTC))
    tested = pipeline.backtest(prepared, config, progress=lambda text: print(text, file=sys.stderr))
    board = tested.leaderboard
    dates = ", ".join(sorted(board.folds["cutoff"].astype(str).str[:10].unique()))
    coverage = pipeline.headline_metrics(tested)["interval_coverage"]
    verdicts = "\n".join(f"- {verdict}" for verdict in board.verdicts([*SPEND, *CHURN]))
    return f"""### {name}, {horizon} days

Test dates {dates}; {len(tested.predictions):,} predictions. 80 % intervals of spend held {coverage:.1%}.

{markdown(board.table(SPEND))}

{markdown(board.table(CHURN))}

{verdicts}

"""


def markdown(table: pd.DataFrame) -> str:
    """Return a leaderboard in Markdown, without the models that lack every metric of it."""
    table = table[(table != "-").any(axis="columns")]
    rows = [["", *table.columns], ["---"] * (len(table.columns) + 1)]
    rows += [[str(model), *row] for model, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def measured(script: str, arguments: list[str]) -> str:
    """Return what a benchmark script prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
