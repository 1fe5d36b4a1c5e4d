"""Whether reasons are true: those of clvml beside those of trees that mimic its forecasts (docs/decisions/003).

    python benchmarks/reasons.py [LOG ...]     of cdnow, online_retail_ii and the kinds of benchmarks/simulated.py

Contradicting: reasons that would be said although the value lies on the side of the median on which customers are
forecast the other way (rank correlation of the value with the forecast, from 0.3). Agreeing: reasons whose sign is that
of the change of the forecast when the feature, or its whole group, is set to the median and the model predicts again;
of those that change it by 0.05 or more.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from simulated import KINDS, simulated

import clvml
from clvml.explain import Typical, reasons, shap_values
from clvml.explain.of_customers import INPUTS, contributions, history_of, inputs_of
from clvml.explain.reference import find_typical
from clvml.explain.wording import direction_of
from clvml.models.boosting import logit_of

Array = NDArray[np.float64]
HORIZON_DAYS = 90
SAMPLE = 2_500
DATA = Path(__file__).parents[1] / "data"
CACHE = Path(__file__).parent / ".cache"
SURROGATE = {"tree_method": "hist", "max_depth": 4, "learning_rate": 0.15}
LEAST_CHANGE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", nargs="*", default=["cdnow", "online_retail_ii", "clockwork"])
    measures = "explained | reasons a customer | contradicting | said all the same"
    heads = f"log | forecast | way | {measures} | agreeing, feature | agreeing, group"
    print(f"| {heads} |\n{'|---' * 9}|")
    for name in parser.parse_args().logs:
        path = simulated(name, CACHE) if name in KINDS else DATA / f"{name}.parquet"
        for row in Case(path).rows():
            print(f"| {name} | {' | '.join(row)} |", flush=True)


class Case:
    """A model of one log, and a sample of its customers."""

    def __init__(self, path: Path) -> None:
        log = clvml.read_log(path)
        scorer = clvml.CustomerModel(horizon_days=HORIZON_DAYS).fit(log).scorer_
        self.model, self.reference = scorer.model, scorer.reference
        features = log.days.features(self.model.as_of, HORIZON_DAYS)
        self.all = features[features["purchase_days"] > 0].reset_index(drop=True)
        self.known = self.model.features
        self.names = [feature.name for feature in self.known]
        self.group = {feature.name: feature.group for feature in self.known}
        self.medians = self.all[self.names].median()
        self.sample = self.all.sample(min(len(self.all), SAMPLE), random_state=1).reset_index(drop=True)

    def rows(self) -> list[list[str]]:
        """Return the rows of the table: each forecast in both ways."""
        found = []
        exact = contributions(self.model, self.reference, self.sample, self.model.as_of)
        whole, sampled = self.forecasts(self.all), self.forecasts(self.sample)
        for place, forecast in enumerate(("churn", "value")):
            spread = {
                name: Typical(
                    float(self.medians[name]), direction_of(self.all[name].to_numpy(float), whole[place])
                )
                for name in self.names
            }
            share, phi, typical = self.surrogate(whole[place])
            found.append(
                [forecast, "surrogate", share, *self.judge(phi, typical, spread, place, sampled[place])]
            )
            typical = self.reference.typical("churn" if forecast == "churn" else "value")
            found.append(
                [
                    forecast,
                    "exact",
                    "100 %",
                    *self.judge(exact[place], typical, spread, place, sampled[place]),
                ]
            )
        return found

    def forecasts(self, features: pd.DataFrame) -> tuple[Array, Array]:
        """Return the logit of P(churn) and the logarithm of expected spend."""
        predicted = self.model.predict(features, self.model.as_of)
        return logit_of(predicted["p_churn"]), np.log(predicted["expected_spend"].to_numpy())

    def surrogate(self, target: Array) -> tuple[str, Array, dict[str, Typical]]:
        """Return the R² of trees that mimic a forecast on a fifth held out, their SHAP values, and what is typical."""
        matrix = self.all[self.names].to_numpy(np.float32)
        order = np.random.default_rng(0).permutation(len(matrix))
        held, learnt = order[: len(order) // 5], order[len(order) // 5 :]
        booster = xgb.train(
            SURROGATE, xgb.DMatrix(matrix[learnt], target[learnt], feature_names=self.names), 250
        )
        errors = target[held] - booster.inplace_predict(matrix[held])
        phi = shap_values(booster, matrix).astype(float)
        typical = {name: Typical(*one) for name, one in find_typical(self.all, phi, self.known).items()}
        share = f"{100 * (1 - errors.var() / target[held].var()):.1f} %"
        return (
            share,
            shap_values(booster, self.sample[self.names].to_numpy(np.float32)).astype(float),
            typical,
        )

    def judge(
        self,
        phi: Array,
        typical: dict[str, Typical],
        spread: dict[str, Typical],
        forecast: int,
        before: Array,
    ) -> list[str]:
        """Return how many reasons there are, and what share of them is wrong or right by each measure."""
        free = self.told(reasons(self.sample, phi, self.known))
        said = self.told(reasons(self.sample, phi, self.known, typical=typical))
        shares = [f"{len(said) / len(self.sample):.2f}"]
        shares += [f"{100 * self.contradicting(table, spread).mean():.1f} %" for table in (free, said)]
        for column in ("feature", "group"):
            change = before[said["row"]] - self.ablated(said, column)[forecast]
            clear = np.abs(change) >= LEAST_CHANGE
            shares.append(f"{100 * (np.sign(change) == said['sign'])[clear].mean():.1f} %")
        return shares

    def told(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return one row per reason: the customer's ``row``, ``feature``, ``group`` and ``sign``."""
        keys = pd.concat([table[f"reason_{rank}_key"] for rank in (1, 2, 3)])
        keys = keys[keys != ""]
        feature = keys.str[:-1].to_numpy()
        sign = np.where(keys.str[-1] == "+", 1.0, -1.0)
        group = [self.group[name] for name in feature]
        return pd.DataFrame({"row": keys.index, "feature": feature, "group": group, "sign": sign})

    def contradicting(self, said: pd.DataFrame, spread: dict[str, Typical]) -> Array:
        columns = {name: self.sample[name].to_numpy(float) for name in self.names}
        values = np.array(
            [columns[name][row] for name, row in zip(said["feature"], said["row"], strict=True)]
        )
        medians, directions = np.array([spread[name] for name in said["feature"]]).T
        return np.sign(values - medians) * directions * said["sign"].to_numpy() < 0

    def ablated(self, said: pd.DataFrame, column: str) -> tuple[Any, ...]:
        """Return both forecasts of the customers of the reasons, their feature or its group at the median."""
        trees, reference = self.model.trees, self.reference.inputs
        features = self.sample.iloc[said["row"]].reset_index(drop=True)
        inputs = inputs_of(features, float(reference["gap_mean"]))
        for name in self.names:
            chosen = (said[column] == (name if column == "feature" else self.group[name])).to_numpy()
            features[name] = features[name].astype(float).mask(chosen, self.medians[name])
            for one in INPUTS.get(name, ()):
                inputs[one] = inputs[one].mask(chosen, reference[one])
        prior = trees.prior.forecast(history_of(inputs), self.model.as_of, trees.horizon_days)
        frame = pd.concat([features, prior], axis="columns")
        p_churn = trees.p_churn(frame)
        return logit_of(p_churn), np.log(trees.spends(frame, p_churn)["stack"])


if __name__ == "__main__":
    main()
