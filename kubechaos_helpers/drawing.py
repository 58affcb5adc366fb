"""The drawing of a Service, its EndpointSlice and its pods, as SVG in the page's own colours. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from kubechaos_helpers.phases import LISTED_READY
from kubechaos_helpers.style import Look, looks
from kubechaos_helpers.widgets import TEXT_STYLE
from kubechaos_helpers.wiring import PodSeen, Wiring

# All in the units of the drawing, which are pixels at its natural size.
WIDTH, HEAD, ROW, GAP = 800, 34, 78, 12
SERVICE_AT, SLICE_AT, PODS_AT = 4, 242, 416
SERVICE_WIDE, SLICE_WIDE, POD_WIDE = 198, 134, 380
LINE, SWATCH = 19, 18
# Letters that fit a box, at about seven units each, and how many pods are drawn.
SHORT, LONG, MOST_PODS = 25, 48, 12
INK, PAPER = "var(--jp-ui-font-color1, #212121)", "var(--jp-layout-color1, white)"
SIGNS = {"ready": "●", "pending": "○", "running, not ready": "◐", "terminating": "✕", "container down": "✕"}
# matplotlib's hatches as SVG, in a tile of 8 by 8.
TILES = {
    "/": '<path d="M-1,9 L9,-1" {line}/>',
    "\\": '<path d="M-1,-1 L9,9" {line}/>',
    "x": '<path d="M-1,9 L9,-1 M-1,-1 L9,9" {line}/>',
    "-": '<path d="M0,4 H8" {line}/>',
    "|": '<path d="M4,0 V8" {line}/>',
    "+": '<path d="M0,4 H8 M4,0 V8" {line}/>',
    ".": '<circle cx="4" cy="4" r="1.4" fill="black"/>',
    "o": '<circle cx="4" cy="4" r="2.4" fill="none" stroke="black"/>',
}


def draw(wiring: Wiring) -> str:
    """The picture, whose alternative text is the reading, with the table and the reading below."""
    words = html.escape(wiring.reading())
    table = f'<pre style="{TEXT_STYLE}; overflow-x: auto">{html.escape(wiring.table())}</pre>' if wiring.pods else ""
    caption = f'<figcaption style="{TEXT_STYLE}">{words}</figcaption>'
    return f'<figure style="margin: 0">{_svg(wiring, words)}{table}{caption}</figure>'


def _svg(wiring: Wiring, words: str) -> str:
    matching, others = wiring.selected[:MOST_PODS], wiring.apart[:MOST_PODS]
    below = HEAD + max(1, len(matching)) * (ROW + GAP)
    height = max(below + (HEAD + len(others) * (ROW + GAP) if others else 0), HEAD + _service_height(wiring) + GAP)
    parts = [*_service(wiring), *_slice(wiring, matching), *_pods(wiring, matching), *_apart(wiring, others, below)]
    return (
        f'<svg role="img" aria-label="{words}" viewBox="0 0 {WIDTH} {height}" width="100%"'
        f' style="max-width: {WIDTH}px; font: 13px var(--jp-ui-font-family, sans-serif)" fill="{INK}" stroke="none">'
        f"<defs>{_patterns(wiring)}{_arrow()}</defs>{''.join(parts)}</svg>"
    )


def _service_lines(wiring: Wiring) -> list[str]:
    lines = [wiring.service, "selects pods with" if wiring.exists else "does not exist"]
    lines += [f"  {key}={value}" for key, value in sorted(wiring.selector.items())]
    lines += ["  nothing: no selector"] if wiring.exists and not wiring.selector else []
    return lines + [f"port {port['port']} to {port.get('targetPort', port['port'])}" for port in wiring.ports]


def _service_height(wiring: Wiring) -> int:
    return LINE * len(_service_lines(wiring)) + 16


def _service(wiring: Wiring) -> Iterator[str]:
    yield _text(SERVICE_AT, 20, "Service", is_bold=True)
    yield _box(SERVICE_AT, HEAD, SERVICE_WIDE, _service_height(wiring), wiring.exists)
    yield from _lines(SERVICE_AT + 12, HEAD, _service_lines(wiring), SHORT)


def _slice(wiring: Wiring, pods: Sequence[PodSeen]) -> Iterator[str]:
    """One box for all of the Service's slices, with an entry beside each pod that they list."""
    yield _text(SLICE_AT, 20, "EndpointSlice", is_bold=True)
    yield _box(SLICE_AT, HEAD, SLICE_WIDE, max(1, len(pods)) * (ROW + GAP) - GAP, wiring.exists)
    middle = HEAD + ROW / 2
    if wiring.exists:
        yield _line(SERVICE_AT + SERVICE_WIDE, middle, SLICE_AT, middle, is_solid=True)
    if not any(pod.listing for pod in pods):
        yield _text(SLICE_AT + 12, middle + 4, "no addresses")
    for row, pod in enumerate(pods):
        if pod.listing:
            top = HEAD + row * (ROW + GAP)
            yield from _lines(SLICE_AT + 12, top + LINE / 2 - 2, [pod.address, pod.listing], SHORT)
            is_ready = pod.listing == LISTED_READY
            yield _line(SLICE_AT + SLICE_WIDE, top + ROW / 2, PODS_AT, top + ROW / 2, is_solid=is_ready)


def _pods(wiring: Wiring, pods: Sequence[PodSeen]) -> Iterator[str]:
    yield _text(PODS_AT, 20, f"Pods that match{_more(len(wiring.selected), len(pods))}", is_bold=True)
    if not pods:
        yield _text(PODS_AT, HEAD + ROW / 2 + 4, "none")
    look = _looks(wiring)
    for row, pod in enumerate(pods):
        second = pod.shown_labels or "no labels"
        yield from _pod(pod, PODS_AT, HEAD + row * (ROW + GAP), look[pod.name], second)


def _apart(wiring: Wiring, pods: Sequence[PodSeen], top: float) -> Iterator[str]:
    """The pods that the Service does not lead to, each with what is other than the selector asks for."""
    if not pods:
        return
    yield _text(PODS_AT, top + 20, f"Other pods: no match{_more(len(wiring.apart), len(pods))}", is_bold=True)
    look = _looks(wiring)
    for row, pod in enumerate(pods):
        at = top + HEAD + row * (ROW + GAP)
        yield from _pod(pod, PODS_AT, at, look[pod.name], ", ".join(pod.differences) or pod.shown_labels)


def _more(number: int, drawn: int) -> str:
    return f" ({drawn} of {number} are drawn)" if number > drawn else ""


def _pod(pod: PodSeen, left: float, top: float, look: Look, second: str) -> Iterator[str]:
    yield _box(left, top, POD_WIDE, ROW, pod.is_selected)
    place = f'x="{left}" y="{top}" width="{SWATCH}" height="{ROW}"'
    yield f'<rect {place} fill="{look.colour}"/><rect {place} fill="url(#{_pattern_id(look)})" stroke="{INK}"/>'
    state = f"{SIGNS[pod.phase]} {pod.phase}"
    yield from _lines(left + SWATCH + 10, top, [pod.name, second, state], LONG)


def _looks(wiring: Wiring) -> dict[str, Look]:
    """A pod looks like its version, as in every chart."""
    names = [pod.name for pod in wiring.pods]
    return looks(names, {pod.name: pod.version for pod in wiring.pods if pod.version})


# --- pieces


def _patterns(wiring: Wiring) -> str:
    line = 'stroke="black" stroke-width="1" fill="none"'
    return "".join(
        f'<pattern id="{_pattern_id(look)}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f"{TILES[look.hatch[0]].format(line=line)}</pattern>"
        for look in sorted(set(_looks(wiring).values()))
    )


def _pattern_id(look: Look) -> str:
    return f"kubechaos-hatch-{ord(look.hatch[0])}"


def _arrow() -> str:
    return (
        '<marker id="kubechaos-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="5" markerHeight="5"'
        f' orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker>'
    )


def _box(left: float, top: float, width: float, height: float, is_solid: bool) -> str:
    dashes = "" if is_solid else ' stroke-dasharray="5 4"'
    place = f'x="{left}" y="{top}" width="{width}" height="{height}" rx="4"'
    return f'<rect {place} fill="{PAPER}" stroke="{INK}"{dashes}/>'


def _line(x1: float, y1: float, x2: float, y2: float, is_solid: bool) -> str:
    style = 'stroke-width="2"' if is_solid else 'stroke-width="1.2" stroke-dasharray="4 4"'
    ends = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
    return f'<line {ends} stroke="{INK}" {style} marker-end="url(#kubechaos-arrow)"/>'


def _lines(left: float, top: float, texts: Sequence[str], most: int) -> Iterator[str]:
    """Lines of text below each other, the first in bold."""
    for row, text in enumerate(texts):
        yield _text(left, top + LINE * (row + 1) + 4, text, is_bold=row == 0, most=most)


def _text(left: float, baseline: float, text: str, is_bold: bool = False, most: int = LONG) -> str:
    """A line of text; what is too long for its place is cut, and whole in its tooltip."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    weight = ' font-weight="bold"' if is_bold else ""
    whole = f"<title>{html.escape(text)}</title>" if shown != text else ""
    return f'<text x="{left}" y="{baseline}" xml:space="preserve"{weight}>{html.escape(shown)}{whole}</text>'
