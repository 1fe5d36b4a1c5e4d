"""What `clvml uplift` says of an experiment, and how often it says so of chance.

    python benchmarks/uplift.py hillstrom_email.parquet --runs 200

The file is Kevin Hillstrom's e-mail experiment (MineThatData, 2008), one row per customer; it states no licence, and
is not part of this repository. With ``--runs``, treatment is shuffled so often, and the openings of the gate are
counted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from clvml.decide.uplift import Experiment, learn, read_experiment

FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
OUTCOMES = ["visit", "conversion", "spend"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=int, default=0, help="shuffled treatments of the women's e-mail")
    arguments = parser.parse_args()
    experiment = read_experiment(arguments.data, "segment", OUTCOMES, FEATURES, "No E-Mail")
    print("| e-mail, outcome | effect | Qini area | slope | gate |\n|---|---|---|---|---|")
    for arm in experiment.arms:
        for outcome in OUTCOMES:
            found = learn(experiment, arm, outcome)
            gate = found.gate
            print(
                f"| {arm}, {outcome} | {found.effect:.4f} ± {1.96 * found.error:.4f} | {gate.qini:.4f}"
                f" ({gate.low:.4f} to {gate.high:.4f}) | {gate.slope:.2f} | {'open' if gate.open else 'closed'} |",
                flush=True,
            )
    opened = sum(_opens(experiment, "Womens E-Mail", "visit", run) for run in range(arguments.runs))
    if arguments.runs:
        print(f"\nWith shuffled treatment the gate opened in {opened} of {arguments.runs} runs.")


def _opens(experiment: Experiment, arm: str, outcome: str, run: int) -> bool:
    rows = experiment.treatment.isin([arm, experiment.control]).to_numpy()
    part = Experiment(
        experiment.features[rows].reset_index(drop=True),
        experiment.treatment[rows]
        .sample(frac=1, random_state=np.random.default_rng(run))
        .reset_index(drop=True),
        experiment.control,
        experiment.outcomes[rows].reset_index(drop=True),
    )
    return learn(part, arm, outcome).gate.open


if __name__ == "__main__":
    main()
