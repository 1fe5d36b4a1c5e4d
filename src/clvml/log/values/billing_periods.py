"""Billing periods as exports call them, in days: month, jährlich, 3 mois, every 2 weeks, P1M, 30."""

from __future__ import annotations

import re

import pandas as pd

# Mean length of a billing period [days], by how it is called.
PERIODS = {"day": 1.0, "week": 7.0, "month": 30.4375, "quarter": 91.3125, "year": 365.25}
_WORDS = {
    "day days daily d tag tage tagen täglich jour jours día días diario giorno giorni dag dagen": PERIODS[
        "day"
    ],
    "week weeks weekly wk w woche wochen wöchentlich semaine semaines hebdomadaire hebdo semana semanas semanal"
    " settimana settimane settimanale weken wekelijks": PERIODS["week"],
    "fortnight fortnightly": 2 * PERIODS["week"],
    "month months monthly mo mth m monat monate monaten monatlich mois mensuel mensuelle mes meses mensual mese mesi"
    " mensile maand maanden maandelijks": PERIODS["month"],
    "quarter quarters quarterly qtr quartal quartale quartalsweise vierteljahr vierteljährlich trimestre trimestres"
    " trimestriel trimestrielle trimestral trimestrale kwartaal": PERIODS["quarter"],
    "halbjahr halbjährlich semestre semestriel semestrielle semestral semestrale semiannual semiannually": (
        PERIODS["year"] / 2
    ),
    "year years yearly annual annually yr y jahr jahre jahren jährlich an ans année années annuel annuelle año años"
    " anual anno anni annuale jaar jaarlijks": PERIODS["year"],
}
_DAYS = {word: days for words, days in _WORDS.items() for word in words.split()}
_HALVES = ("half", "semi", "demi")
# What stands around them and changes nothing.
_AROUND = (
    "interval billing every each per a billed plan p je pro alle im par chaque tous toutes les le la por cada ogni"
    " elke"
)
_PLURAL = re.compile(r"\(\w{1,2}\)")
_PIECES = re.compile(r"[^\W\d_]+|(?:^-)?\d+(?:\.\d+)?")


def period_days(texts: pd.Series) -> pd.Series:
    """Return the days of each billing period, NaN of what is none; a number alone is days.

    >>> period_days(pd.Series(["Monthly", "3 Monate", "annuel", "P1Y", "90", "now and then"])).tolist()
    [30.4375, 91.3125, 365.25, 365.25, 90.0, nan]
    """
    known = {text: _days(text.casefold()) for text in texts.dropna().unique()}
    return texts.map(known).astype(float)


def _days(text: str) -> float:
    pieces = [piece for piece in _PIECES.findall(_PLURAL.sub("", text)) if piece not in _AROUND.split()]
    numbers = [float(piece) for piece in pieces if piece[-1].isdecimal()]
    units = [_DAYS[piece] for piece in pieces if piece in _DAYS]
    halves = [piece for piece in pieces if piece in _HALVES]
    if len(numbers) + len(units) + len(halves) < len(pieces) or max(map(len, (numbers, units, halves))) > 1:
        return float("nan")
    if not units and (not numbers or halves):
        return float("nan")
    return (numbers or [1.0])[0] * (units or [1.0])[0] * (0.5 if halves else 1.0)
