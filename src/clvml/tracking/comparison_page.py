"""A comparison as one HTML file: no scripts, no other files, light or dark as the reader's device is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from html import escape

from clvml.evaluation import METRICS
from clvml.evaluation.versus import Gain, gain_numbers, short_label
from clvml.tracking.campaign_runs import campaign_table, campaigns_sentence
from clvml.tracking.comparison import HEADLINE, ComparedRun, Comparison
from clvml.tracking.comparison_text import (
    champion_sentence,
    heading,
    left_out_sentence,
    short,
    shown_metrics,
    standing,
    summary,
    table,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6472; --line: #d9dde3; --card: #fff; --page: #f5f6f8;
  --good: #0a7a4b; --bad: #b3261e; --even: #77808d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a2abb8; --line: #39414d; --card: #1d232c;
  --page: #12161c; --good: #4cc38a; --bad: #ff8a80; --even: #8b95a3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.25rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0; }
p { margin: .25rem 0; } .soft { color: var(--soft); font-size: .9rem; }
.scroll, article { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: 1rem 0; }
.scroll { overflow-x: auto; } article { padding: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .45rem .7rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 600; } th:first-child { text-align: left; }
.long { font-family: ui-monospace, monospace; font-size: .8rem; }
tbody th { max-width: 11rem; overflow: hidden; text-overflow: ellipsis; }
.better { color: var(--good); } .worse { color: var(--bad); } .even { color: var(--even); }
.verdict { font-weight: 600; }
.gain { display: grid; grid-template-columns: 6rem 1fr 11rem 15rem; gap: 0 .8rem; align-items: center; font-size: .9rem;
  font-variant-numeric: tabular-nums; margin: .3rem 0; }
.gain svg { width: 100%; height: 1.1rem; } .gain .number { text-align: right; }
@media (max-width: 34rem) { .gain { grid-template-columns: 1fr auto; } .gain svg { grid-column: 1 / -1; order: 4; }
  .gain .soft { grid-column: 1 / -1; } }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .4rem 0 0; font-size: .9rem; }
dt { font-family: ui-monospace, monospace; } dd { margin: 0; }
"""


def comparison_page(found: Comparison) -> str:
    """Return the page."""
    header, rows = table(found)
    notes = [f"<p class='soft'>{escape(text)}</p>" for text in [left_out_sentence(found)] if text]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Runs of {escape(found.experiment)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Runs of {escape(found.experiment)}</h1>",
        f"<p>Best first by {escape(heading(found.metric))}. {escape(champion_sentence(found))}</p>",
        f"<p><b>{escape(summary(found))}</b></p>",
        f"<p class='soft'>Means over past test dates. Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by clvml "
        "compare.</p>",
        "<div class='scroll'><table><thead><tr>",
        *(
            f"<th scope='col'>{escape(cell)}</th>"
            for cell in [header[0], "against the champion", *header[1:]]
        ),
        "</tr></thead><tbody>",
        *(_row(found, one, cells) for one, cells in zip(found.runs, rows, strict=True)),
        "</tbody></table></div>",
        *notes,
        *_campaigns(found),
        "<p class='soft'>Below: the gain over the champion on the same customers and dates, with its 95 % interval "
        "(customers drawn in pairs), as a bar and in numbers. Right of the line is better; where the bar crosses the "
        "line, chance is not ruled out.</p>",
        *(_card(found, one) for one in found.runs),
        "<h2>What the columns mean</h2><dl>",
        *(
            f"<dt>{escape(heading(name))}</dt><dd>{escape(METRICS[name].description)}</dd>"
            for name in shown_metrics(found)
        ),
        "</dl></body></html>\n",
    ]
    return "\n".join(parts)


def _campaigns(found: Comparison) -> list[str]:
    """Return the table of what campaigns earned; nothing without any."""
    if not found.campaigns:
        return []
    header, rows = campaign_table(found.campaigns)
    return [
        "<h2>What campaigns earned</h2>",
        "<p class='soft'>Expected: profit of the treated over the value horizon, by the plan. Earned: profit after "
        "cost over the window, measured against the control group.</p>",
        "<div class='scroll'><table><thead><tr>",
        *(f"<th scope='col'>{escape(cell)}</th>" for cell in header),
        "</tr></thead><tbody>",
        *(
            f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
            for row in rows
        ),
        "</tbody></table></div>",
        f"<p>{escape(campaigns_sentence(found.campaigns))}</p>",
    ]


def _row(found: Comparison, one: ComparedRun, cells: list[str]) -> str:
    said = standing(one, found.champion)
    kind = "" if one.run.version else " class='long'"
    first = f"<th scope='row'{kind} title='{escape(cells[0])}'>{escape(cells[0])}</th>"
    others = "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:])
    verdict = f"<td class='{_colour(said)}'>{escape(said.partition(':')[0])}</td>"
    return f"<tr>{first}{verdict}{others}</tr>"


def _card(found: Comparison, one: ComparedRun) -> str:
    said = standing(one, found.champion)
    rows = {difference.metric: difference for difference in one.differences}
    gains = "".join(_gain(rows[name]) for name in HEADLINE if name in rows and math.isfinite(rows[name].low))
    settings = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(mine or 'not set')} "
        f"<span class='soft'>champion: {escape(theirs or 'not set')}</span></dd>"
        for key, (mine, theirs) in one.settings.items()
    )
    own = found.champion is not None and one.run.run_id == found.champion.run_id
    nothing = (
        "" if own or found.champion is None else "<p class='soft'>The same settings as the champion.</p>"
    )
    return (
        f"<article><h2>{escape(short(one.run))} <span class='soft'>{escape(one.run.name)}</span></h2>"
        f"<p class='verdict {_colour(said)}'>{escape(said[:1].upper() + said[1:])}</p>"
        + gains
        + (f"<dl>{settings}</dl>" if settings else nothing)
        + f"<p class='soft'>run {escape(one.run.run_id)}, {one.run.started:%Y-%m-%d %H:%M} UTC</p></article>"
    )


def _gain(difference: Gain) -> str:
    """Return one line: the metric, its interval as a bar around zero, and the numbers."""
    metric = METRICS[difference.metric]
    # Zero in the middle; the farther end of the interval reaches the edge.
    reach = max(abs(difference.low), abs(difference.high), 1e-12) * 1.05
    low, mid, high = (50 + 50 * value / reach for value in (difference.low, difference.gain, difference.high))
    colour = _colour(difference.verdict)
    mine, theirs = (metric.text(v, signed=False) for v in (difference.value, difference.champion_value))
    return (
        f"<div class='gain'><span>{escape(short_label(difference.metric))}</span>"
        f"<svg class='{colour}' viewBox='0 0 100 10' preserveAspectRatio='none' role='img' "
        f"aria-label='{escape(difference.verdict)}'>"
        "<line x1='50' x2='50' y1='0' y2='10' stroke='var(--soft)' stroke-width='.4'/>"
        f"<rect x='{low:.2f}' width='{max(high - low, 0.5):.2f}' y='3.4' height='3.2' rx='.8' "
        "fill='currentColor' opacity='.45'/>"
        f"<rect x='{mid - 0.4:.2f}' width='.8' y='1.2' height='7.6' fill='currentColor'/></svg>"
        f"<span class='number {colour}'>{escape(mine)} against {escape(theirs)}</span>"
        f"<span class='number soft'>{escape(gain_numbers(difference))}</span></div>"
    )


def _colour(said: str) -> str:
    return said if said in ("better", "worse") else "even"
