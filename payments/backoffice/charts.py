"""Charts as SVG made on the server: lines over time, bars by kind. Colours and sizes are the style sheet's.

The content security policy forbids style attributes, so everything is a class or a presentation attribute. Each chart
has a title and a sentence for screen readers, and stands beside a table of the same figures (admin/_chart.html).
Everything that comes from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
BAR_HEIGHT = 26
MOST_SERIES = 8
"""More lines than this nobody can tell apart; the table has them all."""

Value = int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line: a value for each label, None where there is none."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What to draw and tell. `key` is unique on its page. `unit` follows a value: ` ms`, `%`, or nothing."""

    key: str
    title: str
    explanation: str
    labels: Sequence[str]
    series: Sequence[Series]
    only_in_table: Sequence[Series] = ()
    unit: str = ""
    label_heading: str = "hour"
    bars: bool = False
    empty: str = "Nothing of this kind happened in this time."
    links: tuple[tuple[str, str], ...] = field(default=())

    @property
    def has_values(self) -> bool:
        return any(value is not None for series in self.series for value in series.values)

    @property
    def summary(self) -> str:
        """One sentence with the highest and the latest value, for whoever does not see the picture."""
        told = [self._told(series) for series in self.series[:MOST_SERIES]]
        return " ".join(filter(None, told))

    def _told(self, series: Series) -> str:
        known = [(value, label) for value, label in zip(series.values, self.labels, strict=True) if value is not None]
        if not known:
            return ""
        highest, when = max(known, key=lambda each: each[0])
        if self.bars:
            return f"Most: {when}, {highest}{self.unit}."
        latest, last = known[-1]
        return f"{series.name}: {latest}{self.unit} at {last}, highest {highest}{self.unit} at {when}."

    @property
    def legend(self) -> list[tuple[int, str]]:
        """Return the number of each line's look and its name; nothing to tell apart where there is one."""
        return [(number, series.name) for number, series in enumerate(self.series[:MOST_SERIES], 1)]

    @property
    def columns(self) -> list[Series]:
        return [*self.series, *self.only_in_table]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the table: for each label its values as text, the newest first where the labels are times."""
        columns = [series.values for series in self.columns]
        table = [
            (label, [_text(column[number], self.unit) for column in columns])
            for number, label in enumerate(self.labels)
        ]
        return table if self.bars else table[::-1]

    @property
    def svg(self) -> SafeString:
        return _bars(self) if self.bars else _lines(self)


def _text(value: Value, unit: str) -> str:
    return "–" if value is None else f"{value:,}{unit}"


def _lines(chart: Chart) -> SafeString:
    top = _round_up(max((value for series in chart.series for value in series.values if value is not None), default=0))
    lines = [
        _line(series.values, number=number, top=top) for number, series in enumerate(chart.series[:MOST_SERIES], 1)
    ]
    return _figure(chart, HEIGHT, [_grid(top, chart.unit), _time_labels(chart.labels), *lines])


def _figure(chart: Chart, height: int, parts: Sequence[SafeString]) -> SafeString:
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>{}</svg>',
        *(WIDTH, height, chart.key, chart.key, chart.key, chart.title, chart.key, chart.summary),
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _grid(top: int, unit: str) -> SafeString:
    return format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, _short(value, unit))
            for value in dict.fromkeys((0, top // 2, top))
            for y in [_y(value, top)]
        ),
    )


def _time_labels(labels: Sequence[str]) -> SafeString:
    marks = {0: "start", len(labels) // 2: "middle", len(labels) - 1: "end"}
    return format_html_join(
        "",
        '<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((_x(number, len(labels)), HEIGHT - 8, anchor, labels[number]) for number, anchor in marks.items()),
    )


def _line(values: Sequence[Value], *, number: int, top: int) -> SafeString:
    """Draw one line with gaps where there is no value; a value between two gaps is a dot."""
    count = len(values)
    known = [value is not None for value in values]
    steps = [
        f"{'L' if place and known[place - 1] else 'M'}{_x(place, count)} {_y(value, top)}"
        for place, value in enumerate(values)
        if value is not None
    ]
    joined = {place for before, place in pairwise(range(count)) if known[before] and known[place]}
    dots = format_html_join(
        "",
        '<circle class="dot" cx="{}" cy="{}" r="3"/>',
        (
            (_x(place, count), _y(value, top))
            for place, value in enumerate(values)
            if value is not None and place not in joined and place + 1 not in joined
        ),
    )
    return format_html('<g class="line s{}"><path d="{}"/>{}</g>', number, " ".join(steps), dots)


def _bars(chart: Chart) -> SafeString:
    [series] = chart.series
    top = max((value for value in series.values if value is not None), default=0) or 1
    begin = WIDTH // 3
    width = WIDTH - begin - 56
    rows = format_html_join(
        "",
        '<text class="label" x="{}" y="{}" text-anchor="end">{}</text>'
        '<rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="2"/><text class="label" x="{}" y="{}">{}</text>',
        (
            (
                *(begin - 8, place * BAR_HEIGHT + 18, label),
                *(begin, place * BAR_HEIGHT + 5, length, BAR_HEIGHT - 8),
                *(begin + length + 6, place * BAR_HEIGHT + 18, _short(value or 0, chart.unit)),
            )
            for place, (label, value) in enumerate(zip(chart.labels, series.values, strict=True))
            for length in [max(2, (value or 0) * width // top)]
        ),
    )
    return _figure(chart, max(1, len(chart.labels)) * BAR_HEIGHT + 4, [rows])


def _x(place: int, count: int) -> int:
    return LEFT + place * (WIDTH - LEFT - RIGHT) // max(1, count - 1)


def _y(value: int, top: int) -> int:
    return HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) // top


def _round_up(value: int) -> int:
    """Return the next of 2, 4, 10, 20, 40, 100 … so that the middle of the axis is a whole number too."""
    step = 1
    while True:
        for leading in (2, 4, 10):
            if value <= leading * step:
                return leading * step
        step *= 10


def _short(value: int, unit: str) -> str:
    """Return a value fit for an axis: `250 ms`, `1.5 s`, `12k`."""
    if unit == " ms" and value >= 1000:
        return _tenths(value, 1000, " s") if value < 600_000 else f"{value // 60_000} min"
    if unit == " s" and value >= 600:
        return f"{value // 60} min" if value < 36_000 else f"{value // 3600} h"
    return _tenths(value, 1000, "k") + unit if value >= 10_000 else f"{value}{unit}"


def _tenths(value: int, of: int, unit: str) -> str:
    whole, rest = divmod(value * 10 // of, 10)
    return f"{whole}.{rest}{unit}" if rest else f"{whole}{unit}"
