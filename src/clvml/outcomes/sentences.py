"""What a readback means, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clvml.outcomes.readback import Learnt, Profit, Readback

ALL = "all"


def sentence(found: Readback, profit: Profit) -> str:
    """Return in one sentence what an action did, and whether it paid."""
    unit = f" {found.currency}" if found.currency else ""
    word = "brought" if profit.profit >= 0 else "lost"
    earned = f"{word} {abs(profit.profit):,.0f}{unit} after costs ({profit.low:+,.0f} to {profit.high:+,.0f})"
    if profit.action == ALL:
        return f"All actions together {earned}: {_paid(profit)}."
    row = found.effect(profit.action, "retention")
    points = f"{abs(row['difference']) * 100:.1f} points {'more' if row['difference'] >= 0 else 'fewer'}"
    span = f"{row['low'] * 100:+.1f} to {row['high'] * 100:+.1f}"
    return (
        f"{profit.action}: {row['mean_treated']:.1%} of the treated bought again and {row['mean_control']:.1%} of the"
        f" control group, {points} after adjustment (95 % interval {span}), and it {earned}: {_worked(row)}, and"
        f" {_paid(profit)}."
    )


def learnt_sentence(each: Learnt) -> str:
    """Return in one sentence how the belief in a save rate moved."""
    where = f" where {each.where}" if each.where else ""
    believed, seen, now = (
        f"{mean:.1%} ± {spread:.1%}" for mean, spread in (each.believed, each.seen, each.now)
    )
    return f"{each.action}{where}: {believed} was believed, {seen} was seen; {now} is believed now"


def _worked(row: dict[str, float]) -> str:
    if row["low"] <= 0 <= row["high"]:
        return "whether it keeps customers is open"
    does = (
        ("keep customers", "keeps customers")
        if row["low"] > 0
        else ("drive customers away", "drives customers away")
    )
    return _said(does, row["p_holm"])


def _paid(profit: Profit) -> str:
    if profit.low <= 0 <= profit.high:
        return "whether it paid is open"
    return _said(("pay", "paid") if profit.low > 0 else ("lose money", "lost money"), profit.p_holm)


def _said(does: tuple[str, str], p_holm: float) -> str:
    """Return what is so, or what seems so: of several actions, one may look so by chance."""
    return (
        f"it {does[1]}"
        if p_holm < 0.05
        else f"it seems to {does[0]}, as one of several actions may by chance"
    )
