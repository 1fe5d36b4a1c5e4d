"""Why the forecast says what it says, and how far to trust it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from clvml.report.charts import HALF, Plot, drawn, percentage, shares_plot, value_at
from clvml.report.facts import Facts
from clvml.report.language import Language
from clvml.report.vocabulary import DIRECTIONS, DOUBTS, DRIVERS, METHODS, REJECTIONS

Section = dict[str, Any]
_LISTED_REASONS = 8


def drivers(facts: Facts, say: Language) -> Section | None:
    drivers = (facts.overview.get("evidence") or {}).get("drivers") or []
    known = [row for row in drivers if row["group"] in DRIVERS and row["share"] >= 0.01][:6]
    if not known:
        return None
    return {
        "title": say.text("{driver} says most", driver=_upper(say.named(DRIVERS, known[0]["group"]))),
        "lead": say.text(
            "Share of all influence on the churn risk, with its direction. Influence in the model is not a cause."
        ),
        "rows": [
            {
                "name": say.named(DRIVERS, row["group"]),
                "share": say.percent(row["share"]),
                "bar": percentage(row["share"], known[0]["share"]),
                "direction": say.named(
                    DIRECTIONS, (row["group"], row["direction"]), "in no single direction"
                ),
            }
            for row in known
        ],
    }


def _upper(words: Markup) -> Markup:
    return Markup(words[:1].upper() + words[1:])


def gains(facts: Facts, say: Language) -> Section | None:
    evidence = facts.overview.get("evidence") or {}
    gains = evidence.get("gains")
    if not gains:
        return None
    points, perfect = (
        list(zip(gains["customers"], gains[name], strict=True)) for name in ("model", "perfect")
    )
    cutoff = date.fromisoformat(evidence["cutoffs"][-1])
    fifth = value_at(points, 0.2)
    title = (
        say.text("The list finds the money: its first fifth brought {share}", share=say.percent(fifth))
        if fifth >= 0.4
        else say.text(
            "The list finds little of the money: its first fifth brought {share}", share=say.percent(fifth)
        )
    )

    def draw(width: int) -> Plot:
        plot = shares_plot(width, say.percent)
        plot.line([(0, 0), (1, 1)], "chance")
        plot.line(perfect, "perfect")
        plot.line(points, "forecast")
        plot.dot(0.2, fifth)
        words = say.text(
            "{customers} of the list: {money}", customers=say.percent(0.2), money=say.percent(fifth)
        )
        plot.beside((0.2, fifth), words, down=26)
        plot.name_x(say.text("customers, highest expected spend first"))
        return plot

    return {
        "title": title,
        "lead": say.text(
            "Newest test date, {date}, against what came until {end}. Dashed: perfect knowledge; thin: chance.",
            date=say.date(cutoff),
            end=say.date(cutoff + timedelta(days=facts.horizon_days)),
        ),
        "svg": drawn(HALF, draw, title),
        "columns": [say.text("Customers"), say.text("Money found"), say.text("Perfect knowledge")],
        "rows": [
            [say.percent(share), say.percent(value_at(points, share)), say.percent(value_at(perfect, share))]
            for share in (0.1, 0.2, 0.3, 0.5, 1.0)
        ],
    }


def calibration(facts: Facts, say: Language) -> Section | None:
    tenths = (facts.overview.get("evidence") or {}).get("calibration")
    if not tenths:
        return None
    customers = sum(row["customers"] for row in tenths)
    said, left = (
        sum(row[name] * row["customers"] for row in tenths) / customers for name in ("p_churn", "churned")
    )
    values = {"said": say.percent(said), "left": say.percent(left)}
    if abs(said - left) < 0.025:
        title = say.text("The risk was right on the newest test date: {said} said, {left} left", **values)
    elif said < left:
        title = say.text(
            "The risk was said too low on the newest test date: {said} said, {left} left", **values
        )
    else:
        title = say.text(
            "The risk was said too high on the newest test date: {said} said, {left} left", **values
        )

    def draw(width: int) -> Plot:
        plot = shares_plot(width, say.percent)
        plot.line([(0, 0), (1, 1)], "chance")
        points = [(row["p_churn"], row["churned"]) for row in tenths]
        plot.line(points, "forecast")
        for point in points:
            plot.dot(*point)
        plot.name_x(say.text("churn risk as said"))
        return plot

    return {
        "title": title,
        "lead": say.text(
            "Ten groups of customers by churn risk: what was said, and the share who left. On the thin line it is"
            " right."
        ),
        "svg": drawn(HALF, draw, title),
        "columns": [say.text("Said"), say.text("Left"), say.text("Customers")],
        "rows": [
            [say.percent(row["p_churn"]), say.percent(row["churned"]), say.count(row["customers"])]
            for row in tenths
        ],
    }


def leaderboard(facts: Facts, say: Language) -> Section | None:
    evidence = facts.overview.get("evidence")
    if not evidence:
        return None
    models = evidence["models"]
    names = sorted(
        models, key=lambda name: (models[name].get("wape") is None, models[name].get("wape") or 0.0)
    )
    verdicts = evidence.get("verdicts", {})
    better = [name for name, verdict in verdicts.items() if verdict == "better"]
    worse = [name for name, verdict in verdicts.items() if verdict == "worse"]
    values = {
        "better": say.count(len(better)),
        "worse": say.count(len(worse)),
        "all": say.count(len(verdicts)),
    }
    if worse:
        title = say.text(
            "Better than every simple rule in {better} of {all} measures, worse than one in {worse}", **values
        )
    elif better:
        title = say.text(
            "Better than every simple rule in {better} of {all} measures, worse in none", **values
        )
    else:
        title = say.text("Not clearly better than the best simple rule in any measure")

    def cell(model: str, metric: str, digits: int, percent: bool = False) -> str:
        value = models[model].get(metric)
        if value is None:
            return "–"
        return say.percent(value, digits) if percent else say.number(value, digits)

    lead = say.text(
        "Mean over {dates} past dates. Spend error: WAPE, 0 is perfect, 1 is as bad as expecting nothing. AUC: 0.5 is"
        " chance, 1 is perfect.",
        dates=say.count(len(evidence["cutoffs"])),
    )
    if evidence.get("coverage") is not None:
        lead += Markup(" ") + say.text(
            "The 80% intervals held {share} of the customers.", share=say.percent(evidence["coverage"])
        )
    return {
        "title": title,
        "lead": lead,
        "columns": [
            say.text("Method"),
            say.text("Spend error"),
            say.text("Money in the top 10%"),
            say.text("AUC"),
        ],
        "rows": [
            {
                "name": say.named(METHODS, name),
                "ours": name == evidence["champion"],
                "cells": [
                    cell(name, "wape", 3),
                    cell(name, "top_10_share", 1, True),
                    cell(name, "roc_auc", 3),
                ],
            }
            for name in names
            if name != "zero"
        ],
    }


def quality(facts: Facts, say: Language) -> Section | None:
    quality = facts.overview.get("quality")
    if not quality:
        return None
    left_out = quality["rows_in"] - quality["rows_out"]
    title = (
        say.plural(
            "{n} of {all} lines was left out",
            "{n} of {all} lines were left out",
            left_out,
            all=say.count(quality["rows_in"]),
        )
        if left_out
        else say.plural("The line was used", "All {n} lines were used", quality["rows_in"])
    )

    def money(value: float | None) -> Markup | str:
        return say.text("unread") if value is None else say.money(value)

    rows = [[say.text("read"), say.count(quality["rows_in"]), money(quality["money_in"])]]
    gone = [row for row in quality["reasons"] if row["treatment"] in ("rejected", "dropped")]
    for row in gone[:_LISTED_REASONS]:
        name = say.named(REJECTIONS, row["reason"])
        lost = None if row["money"] is None else -row["money"]
        rows.append([name, say.count(-row["rows"]), money(lost)])
    if len(gone) > _LISTED_REASONS:
        rest = gone[_LISTED_REASONS:]
        lost = -sum(row["money"] or 0.0 for row in rest)
        rows.append([say.text("other reasons"), say.count(-sum(row["rows"] for row in rest)), money(lost)])
    rows.append([say.text("used"), say.count(quality["rows_out"]), money(quality["money_out"])])
    return {
        "title": title,
        "lead": say.text("What the data check left out, and the money of it."),
        "columns": [say.text("Lines"), say.text("Number"), say.text("Money")],
        "rows": rows,
        "warnings": [_doubt(warning, say) for warning in quality.get("warnings", [])],
    }


def _doubt(warning: dict[str, Any], say: Language) -> Markup:
    """Return a warning in short; what it is about in particular, and its key, are for whoever runs the check."""
    told = say.named(DOUBTS, warning.get("code"), "Something in the data is doubtful.")
    if not warning.get("rows"):
        return told
    about = say.plural("{n} line", "{n} lines", warning["rows"])
    if warning.get("money") is not None:
        about += Markup(", ") + say.money(warning["money"])
    return told + Markup(" ({about})").format(about=about)
