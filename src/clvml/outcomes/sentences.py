"""What a readback means, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clvml.scores.columns import whom

if TYPE_CHECKING:
    from clvml.outcomes.readback import Learnt, Profit, Readback

ALL = "all"
# Open; better, surely and perhaps; worse, surely and perhaps.
_WORKED = (
    "whether it keeps customers is open",
    "it keeps customers",
    "it seems to keep customers",
    "it drives customers away",
    "it seems to drive customers away",
)
_PAID = (
    "whether it paid is open",
    "it paid",
    "it seems to have paid",
    "it lost money",
    "it seems to have lost money",
)


def sentence(found: Readback, profit: Profit) -> str:
    """Return in one sentence what an action did, and whether it paid."""
    unit = f" {found.currency}" if found.currency else ""
    word = "brought" if profit.profit >= 0 else "lost"
    earned = (
        f"{word} {abs(profit.profit):z,.0f}{unit} after costs ({profit.low:+z,.0f} to {profit.high:+z,.0f})"
    )
    paid, paid_perhaps = _verdict(profit.low, profit.high, profit.p_holm, _PAID)
    if profit.action == ALL:
        return f"All actions together {earned}: {paid}."
    row = found.effect(profit.action, "retention")
    worked, worked_perhaps = _verdict(row["low"], row["high"], row["p_holm"], _WORKED)
    worked = whom(found.subscribers, worked)
    points = f"{abs(row['difference']) * 100:.1f} points {'more' if row['difference'] >= 0 else 'fewer'}"
    span = f"{row['low'] * 100:+z.1f} to {row['high'] * 100:+z.1f}"
    did = "were subscribed at the end" if found.subscribers else "bought again"
    doubt = "; of several actions, one may look so by chance" if paid_perhaps or worked_perhaps else ""
    return (
        f"{profit.action}: {row['mean_treated']:.1%} of the treated {did} and {row['mean_control']:.1%} of the"
        f" control group, {points} after adjustment (95% interval {span}), and it {earned}: {worked}, and"
        f" {paid}{doubt}."
    )


def learnt_sentence(each: Learnt) -> str:
    """Return in one sentence how the belief in a save rate moved."""
    where = f" where {each.where}" if each.where else ""
    believed, seen, now = (
        f"{mean:.1%} ± {spread:.1%}" for mean, spread in (each.believed, each.seen, each.now)
    )
    return f"{each.action}{where}: {believed} was believed, {seen} was seen; {now} is believed now"


def _verdict(
    low: float, high: float, p_holm: float, words: tuple[str, str, str, str, str]
) -> tuple[str, bool]:
    """Return what an interval says, and whether that may be chance among several actions."""
    if low <= 0 <= high:
        return words[0], False
    sure, perhaps = words[1:3] if low > 0 else words[3:5]
    return (sure, False) if p_holm < 0.05 else (perhaps, True)
