"""Line and column charts as SVG, drawn for each width that a page may have: text keeps its size.

Colours are those of the page (`templates/report.css`), by class. No script, no request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

# Widths of the text column: desktop, paper, phone; of half a column: desktop, paper and phone.
WHOLE, HALF = (1024, 680, 340), (488, 340)
_LETTER, _BOLD = 0.6, 1.15  # Mean width of a letter, as a share of its size; of a bold one, of that.
_SIZE = 12


@dataclass
class Plot:
    """Axes with a scale, on which marks are put in data coordinates.

    Parameters
    ----------
    width, height : int
        Of the picture [px].
    x, y : tuple of float
        Smallest and largest value of each axis.
    left : int
        Room for the labels of the y axis [px].
    """

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    left: int = 56
    right: int = 14
    top: int = 30
    bottom: int = 40
    marks: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point [px]."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return (
            round(self.left + across * (self.width - self.left - self.right), 1),
            round(self.height - self.bottom - up * (self.height - self.top - self.bottom), 1),
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        places = " ".join("{},{}".format(*self.at(*point)) for point in points)
        self.marks.append(f'<polyline class="{kind}" points="{places}"/>')

    def dot(self, x: float, y: float) -> None:
        """Draw a point."""
        across, up = self.at(x, y)
        self.marks.append(f'<circle class="dot" cx="{across}" cy="{up}" r="4.5"/>')

    def column(self, x: float, width: float, y: float, kind: str) -> None:
        """Draw a column from zero."""
        (left, top), (right, zero) = self.at(x - width / 2, max(y, 0.0)), self.at(x + width / 2, min(y, 0.0))
        across, down = max(right - left, 1), max(zero - top, 0)
        self.marks.append(
            f'<rect class="{kind}" x="{left}" y="{top}" width="{across:.1f}" height="{down:.1f}"/>'
        )

    def whisker(self, x: float, low: float, high: float) -> None:
        """Draw an interval."""
        (across, top), (_, bottom) = self.at(x, high), self.at(x, low)
        self.marks.append(
            f'<path class="whisker" d="M{across - 4:.1f} {top}h8M{across} {top}V{bottom}M{across - 4:.1f} {bottom}h8"/>'
        )

    def write(self, across: float, up: float, words: str, kind: str = "label", anchor: str = "start") -> None:
        """Write words at a place [px], kept inside the picture; strong ones beside the labels of the y axis."""
        size = text_width(words) * (_BOLD if kind == "strong" else 1.0)
        shift = {"start": 0.0, "middle": size / 2, "end": size}[anchor]
        least = self.left if kind == "strong" else 1
        across = min(max(across, shift + least), self.width - 1 - (size - shift))
        self.marks.append(
            f'<text class="{kind}" x="{across:.1f}" y="{up:.1f}" text-anchor="{anchor}">{escape(str(words))}</text>'
        )

    def beside(
        self,
        point: tuple[float, float],
        words: str,
        right: float = 10.0,
        down: float = 0.0,
        anchor: str = "start",
    ) -> None:
        """Write strong words beside a point, so far from it [px]."""
        across, up = self.at(*point)
        self.write(across + right, up + down, words, "strong", anchor)

    def today(self, x: float, words: str) -> None:
        """Draw the line between what was and what is to come, under its word."""
        across, _ = self.at(x, 0)
        self.marks.append(f'<path class="today" d="M{across} 20V{self.height - self.bottom}"/>')
        self.write(across, 14, words, "strong", "middle")

    def name_x(self, words: str) -> None:
        """Write what the x axis is, in the corner below it."""
        self.write(self.width - 14, self.height - 4, words, anchor="end")

    def grid(self, ticks: Sequence[float], said: Callable[[float], str]) -> None:
        """Draw the y axis: a line and a label per tick."""
        for tick in ticks:
            _, up = self.at(self.x[0], tick)
            kind = "axis" if tick == 0 else "grid"
            self.marks.append(f'<path class="{kind}" d="M{self.left} {up}H{self.width - self.right}"/>')
            self.write(self.left - 6, up + 4, said(tick), anchor="end")

    def below(self, ticks: Sequence[tuple[float, str]], row: int = 0) -> None:
        """Write the labels of the x axis, as many as there is room for."""
        up = self.height - self.bottom + 18 + 16 * row
        taken = -math.inf
        for value, words in ticks:
            across, _ = self.at(value, self.y[0])
            half = text_width(words) / 2
            across = min(max(across, half + 1), self.width - 1 - half)
            if across - half > taken + 8:
                self.write(across, up, words, anchor="middle")
                taken = across + half

    def svg(self, title: str) -> Markup:
        """Return the picture."""
        return Markup(
            f'<svg class="w{self.width}" viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
            f' height="{self.height}" role="img" aria-label="{escape(str(title))}">{"".join(self.marks)}</svg>'
        )


def drawn(widths: tuple[int, ...], draw: Callable[[int], Plot], title: str) -> Markup:
    """Return a chart in each of the widths; the page shows the one that fits."""
    return Markup("").join(draw(width).svg(title) for width in widths)


def amounts_plot(
    size: tuple[int, int],
    x: tuple[float, float],
    ticks: Sequence[float],
    said: Callable[[float], str],
    top: int = Plot.top,
    bottom: int = Plot.bottom,
) -> Plot:
    """Return a plot of amounts, its y axis drawn from the first tick to the last; only whole amounts have a label."""
    left = int(max(text_width(said(tick)) for tick in ticks)) + 12
    plot = Plot(*size, x, (ticks[0], ticks[-1]), left=left, top=top, bottom=bottom)
    plot.grid(ticks, lambda tick: said(tick) if tick == round(tick) else "")
    return plot


def shares_plot(width: int, said: Callable[[float], str]) -> Plot:
    """Return a plot of one share by another, with its axes."""
    plot = Plot(width, 300 if width > 400 else 260, (0, 1), (0, 1), left=52, right=24, bottom=48, top=16)
    plot.grid([0, 0.25, 0.5, 0.75, 1.0], said)
    plot.below([(share / 5, said(share / 5)) for share in range(6)])
    return plot


def value_at(points: Sequence[tuple[float, float]], place: float) -> float:
    """Return the value of a curve at a place, interpolated.

    >>> value_at([(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)], 0.25)
    0.4
    """
    before = points[0]
    for point in points[1:]:
        if point[0] >= place:
            step = (place - before[0]) / ((point[0] - before[0]) or 1.0)
            return before[1] + step * (point[1] - before[1])
        before = point
    return points[-1][1]


def percentage(value: float, largest: float) -> float:
    """Return how long a bar is beside the largest one, from 0 to 100.

    >>> percentage(30.0, 40.0), percentage(-1.0, 40.0)
    (75.0, 0.0)
    """
    return round(100 * min(max(value / largest, 0.0), 1.0), 1)


def text_width(words: str) -> float:
    """Return about how wide words are in a chart [px]."""
    return len(words) * _SIZE * _LETTER


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values from ``low`` to at least ``high``, zero among them.

    What lies below a tick by less than a twentieth of their distance, such as a small refund before the first purchase,
    is within the width of its line.

    >>> nice_ticks(0.0, 14251.0)
    [0.0, 5000.0, 10000.0, 15000.0]
    >>> nice_ticks(-3.0, 8.0)
    [-5.0, 0.0, 5.0, 10.0]
    >>> nice_ticks(-2.1, 35848.78)
    [0.0, 10000.0, 20000.0, 30000.0, 40000.0]
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        return [0.0, 1.0]
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    first, last = math.floor(low / step + 0.05), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]
