"""Line charts as SVG, without any package."""
import math
from xml.sax.saxutils import escape

COLOURS = ["#0b62a4", "#d1495b", "#3a7d44", "#e09f3e", "#6a4c93", "#5c677d", "#00a6a6", "#8d5524"]
MARKS = ["circle", "square", "diamond", "triangle"]
LEFT, TOP, WIDTH, HEIGHT, LEGEND = 82, 46, 560, 340, 218


class Axis:
    """Maps values to pixels; logarithmic axes have ticks at powers of ten."""

    def __init__(self, label, values, log, unit=str, low=None, high=None):
        self.label, self.log, self.unit = label, log, unit
        low = min(values) if low is None else low
        high = max(values) if high is None else high
        if log:
            self.low, self.high = math.log10(low), math.log10(high)
            if self.high - self.low < 0.5:
                self.low, self.high = self.low - 0.25, self.high + 0.25
        else:
            self.low, self.high = low, high if high > low else low + 1

    def part(self, value):
        value = math.log10(value) if self.log else value
        return (value - self.low) / (self.high - self.low)

    def ticks(self):
        if self.log:
            first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
            step = max(1, round((last - first) / 9))
            ticks = [10.0 ** power for power in range(first, last + 1, step)]
            if len(ticks) < 3:
                ticks = [digit * 10.0 ** power for power in range(first - 1, last + 1) for digit in (1, 2, 5)]
            return [tick for tick in ticks if -1e-9 <= self.part(tick) <= 1 + 1e-9]
        span = self.high - self.low
        step = 10 ** math.floor(math.log10(span / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
        return [step * i for i in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def chart(title, x_label, y_label, series, x_log=True, y_log=True, x_unit=None, y_unit=None, y_low=None, y_high=None,
          marks=True):
    """`series` is {name: [(x, y), ...]}; returns the SVG's text."""
    series = {name: sorted(points) for name, points in series.items() if points}
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_axis = Axis(x_label, xs, x_log, x_unit or plain)
    y_axis = Axis(y_label, ys, y_log, y_unit or plain, y_low, y_high)
    right, bottom = LEFT + WIDTH, TOP + HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + LEGEND} {bottom + 62}" '
           f'width="{right + LEGEND}" height="{bottom + 62}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold" fill="#222222">{escape(title)}</text>']
    for tick in x_axis.ticks():
        x = LEFT + WIDTH * x_axis.part(tick)
        out.append(_line(x, TOP, x, bottom, "#dddddd"))
        out.append(_text(x, bottom + 18, x_axis.unit(tick), "middle"))
    for tick in y_axis.ticks():
        y = bottom - HEIGHT * y_axis.part(tick)
        out.append(_line(LEFT, y, right, y, "#dddddd"))
        out.append(_text(LEFT - 8, y + 4, y_axis.unit(tick), "end"))
    out += [_line(LEFT, bottom, right, bottom, "#444444"), _line(LEFT, TOP, LEFT, bottom, "#444444"),
            _text(LEFT + WIDTH / 2, bottom + 44, x_label, "middle"),
            f'<text transform="translate(20 {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle" fill="#222222">{escape(y_label)}</text>']
    for i, (name, points) in enumerate(series.items()):
        colour, mark = COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]
        spots = [(LEFT + WIDTH * x_axis.part(x), bottom - HEIGHT * min(1, max(0, y_axis.part(y)))) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
        if marks:
            out += [_mark(mark, x, y, colour) for x, y in spots]
        y = TOP + 10 + 22 * i
        out += [_line(right + 16, y, right + 40, y, colour, 2), _text(right + 47, y + 4, name, "start")]
        if marks:
            out.append(_mark(mark, right + 28, y, colour))
    return "\n".join(out) + "\n</svg>\n"


def plain(value):
    """1e6 as 1 M, 0.001 as 0.001."""
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:.6g}"


def seconds(value):
    for limit, suffix in ((1, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns")):
        if abs(value) >= limit * 0.999:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:g} s"


def octets(value):
    for limit, suffix in ((1e9, " GB"), (1e6, " MB"), (1e3, " kB")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g} B"


def percent(value):
    return f"{100 * value:.0f} %"


def _line(x0, y0, x1, y1, colour, width=1):
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x, y, text, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'


def _mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    corners = {"square": [(-3, -3), (3, -3), (3, 3), (-3, 3)], "diamond": [(0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)],
               "triangle": [(0, -4.2), (4, 3), (-4, 3)]}[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'
