"""Pictures of compiled graphs: an SVG with one box per node, in layers from the inputs down.

Reads the reports of the engine (`GraphFunction.report()`), plain dicts; draws, and knows nothing else.
"""

from __future__ import annotations

import html
import re
import textwrap
from typing import Any

__all__ = ["op_label", "svg"]

_CHAR, _LINE, _PAD, _GAP_X, _GAP_Y = 7.1, 15.0, 8.0, 26.0, 34.0
_COLOURS = {"input": "#e8f0fe", "product": "#fde8d8", "fused": "#e3f4e1", "state": "#fff6cc", "free": "#f4f4f4"}
_PRODUCTS = {"matmul", "linear", "linear_grad", "linear_sgd"}


def op_label(node: dict[str, Any]) -> str:
    """The op; for products with flags and for fused programs, what they are made of."""
    op, attrs = node["op"], node["attrs"]
    if op == "fused":
        ops = re.findall(r"t\d+ = (\w+)\(", attrs)
        return f"fused[{len(ops)}] " + " ".join(ops)
    if op in _PRODUCTS:
        marks = ["aT"] * ("transpose_a=True" in attrs) + ["bT"] * ("transpose_b=True" in attrs)
        marks += re.findall(r"activation='(\w+)'", attrs)
        return op + (f" [{', '.join(marks)}]" if marks else "")
    return op


class _Box:
    def __init__(self, lines: list[str], colour: str) -> None:
        self.lines, self.colour = lines, colour
        self.before: list[int] = []
        self.layer = 0
        self.x = 0.0

    @property
    def width(self) -> float:
        return _CHAR * max(len(line) for line in self.lines) + 2 * _PAD if self.lines else 10.0

    @property
    def height(self) -> float:
        return _LINE * len(self.lines) + 2 * _PAD if self.lines else 0.0


def _spec(value: dict[str, Any]) -> str:
    shape = ", ".join("?" if d is None else str(d) for d in value["shape"])
    return f"{value['dtype']}({shape}{',' if len(value['shape']) == 1 else ''})"


def _boxes(report: dict[str, Any]) -> list[_Box]:
    values, nodes = report["values"], report["nodes"]
    boxes: list[_Box] = []
    made_in: dict[int, int] = {}  # value -> box
    called: dict[int, str] = {}  # values without a box: variables, what was read of them, constants
    for i, v in enumerate(values):
        if v["kind"] == "variable":
            called[i] = "@" + v["name"]
        elif v["kind"] == "constant":
            called[i] = f"const {_spec(v)}"
    for i in report["inputs"]:
        made_in[i] = len(boxes)
        boxes.append(_Box([f"input %{i}", _spec(values[i])], "input"))
    for node in nodes:
        if node["op"] == "read_variable" and node["step"] == "":
            called[node["out"][0]] = called[node["in"][0]]
            continue
        if node["op"] == "store" and node["step"] == "" and node["in"][1] in made_in:
            boxes[made_in[node["in"][1]]].lines.append(f"stored in {called[node['in'][0]]}")
            continue
        lines = textwrap.wrap(op_label(node), 44, subsequent_indent="  ")
        named = [f"{called[i]} {_spec(values[i])}" for i in node["in"] if i in called and values[i]["shape"]]
        lines += textwrap.wrap(", ".join(dict.fromkeys(named)), 44, subsequent_indent="  ")
        for i in node["out"]:
            lines += textwrap.wrap(f"%{i} {_spec(values[i])}  {values[i]['placement']}", 52, subsequent_indent="  ")
        if node["runs"]:
            lines.append(f"{node['fastest'] * 1e6:.2f} us")
        colour = "product" if node["op"] in _PRODUCTS else "fused" if node["op"] == "fused" else ""
        if not colour and not node["out"]:
            colour = "state"
        box = _Box(lines, colour or ("" if node["step"] else "free"))
        box.before = sorted({made_in[i] for i in node["in"] if i in made_in})
        for i in node["out"]:
            made_in[i] = len(boxes)
        boxes.append(box)
    return boxes


def _layers(boxes: list[_Box]) -> tuple[list[list[int]], list[list[int]]]:
    """Layers of box numbers, left to right, and for each edge the chain of boxes that it runs through: long edges get
    empty boxes in the layers that they cross."""
    for box in boxes:  # in an order in which what comes before has a smaller number
        box.layer = max((boxes[b].layer + 1 for b in box.before), default=0)
    chains = []
    for end in range(len(boxes)):
        for begin in boxes[end].before:
            chain = [begin]
            for crossed in range(boxes[begin].layer + 1, boxes[end].layer):
                between = _Box([], "")
                between.layer = crossed
                between.before = [chain[-1]]
                chain.append(len(boxes))
                boxes.append(between)
            chains.append([*chain, end])
    layers: list[list[int]] = [[] for _ in range(max((b.layer for b in boxes), default=0) + 1)]
    for i, box in enumerate(boxes):
        layers[box.layer].append(i)
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for chain in chains:
        for a, b in zip(chain, chain[1:]):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    place = {i: p for layer in layers for p, i in enumerate(layer)}
    for sweep in range(8):  # order by the mean place of the neighbours, downwards and upwards in turn
        near = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            mean = {i: sum(place[n] for n in near[i]) / len(near[i]) if near.get(i) else place[i] for i in layer}
            layer.sort(key=mean.__getitem__)
            place.update({i: p for p, i in enumerate(layer)})
    for sweep in range(6):  # then draw boxes towards the middle of their neighbours, keeping the order
        near = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _pack(boxes, layer, near)
    return layers, chains


def _pack(boxes: list[_Box], layer: list[int], near: dict[int, list[int]]) -> None:
    """Sets x (the centre) of a layer's boxes: where their neighbours are, moved apart where they would overlap."""
    want = [sum(boxes[n].x for n in near[i]) / len(near[i]) if near.get(i) else boxes[i].x for i in layer]
    right = float("-inf")
    shift = []
    for i, x in zip(layer, want):
        boxes[i].x = max(x, right + boxes[i].width / 2)
        right = boxes[i].x + boxes[i].width / 2 + _GAP_X
        shift.append(boxes[i].x - x)
    middle = sum(shift) / len(shift)
    for i in layer:
        boxes[i].x -= middle


def svg(report: dict[str, Any]) -> str:
    """The graph as an SVG document.

    There is a box per node with its op (and what is fused into it), the variables it reads, its results with shape, dtype
    and memory, and the time of its fastest run if it was profiled. Free reads and stores of variables have no box.

    Args:
        report: what `GraphFunction.report()` gives, or one of `Profile.functions`.

    Example:
        >>> import tahr
        >>> from tahr import graph_view
        >>> f = tahr.function(lambda x: tahr.nn.relu(x) + 1.0)
        >>> picture = graph_view.svg(f.get_concrete_function(tahr.TensorSpec((2,))).graph.report())
        >>> picture.startswith("<svg") and "fused[2] relu add" in picture
        True
    """
    boxes = _boxes(report)
    layers, chains = _layers(boxes)
    top, bottom = [0.0] * len(layers), [0.0] * len(layers)
    y = 20.0
    for number, layer in enumerate(layers):
        top[number] = y
        bottom[number] = y + max((boxes[i].height for i in layer), default=0.0)
        y = bottom[number] + _GAP_Y
    left = min((b.x - b.width / 2 for b in boxes), default=0.0) - 20.0
    width = max((b.x + b.width / 2 for b in boxes), default=0.0) + 20.0 - left
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{y:.0f}" '
        f'viewBox="{left:.0f} 0 {width:.0f} {y:.0f}" font-family="monospace" font-size="11">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="6" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L8,3 L0,6 z" fill="#888"/></marker></defs>',
        f'<rect x="{left:.0f}" y="0" width="{width:.0f}" height="{y:.0f}" fill="white"/>',
    ]
    for chain in chains:
        path = ""
        for a, b in zip(chain, chain[1:]):
            x0, x1 = boxes[a].x, boxes[b].x
            y0, y1 = bottom[boxes[a].layer], top[boxes[b].layer]
            bend = (y1 - y0) / 2
            if not path:
                path = f"M{x0:.1f},{top[boxes[a].layer] + boxes[a].height:.1f} "
            path += f"L{x0:.1f},{y0:.1f} "
            path += f"C{x0:.1f},{y0 + bend:.1f} {x1:.1f},{y1 - bend:.1f} {x1:.1f},{y1:.1f} "
        parts.append(f'<path d="{path.strip()}" fill="none" stroke="#888" marker-end="url(#tip)"/>')
    for box in boxes:
        if not box.lines:
            continue
        x, y0 = box.x - box.width / 2, top[box.layer]
        fill = _COLOURS.get(box.colour, "#eef0f4")
        parts.append(
            f'<rect x="{x:.1f}" y="{y0:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="4" '
            f'fill="{fill}" stroke="#667"/>'
        )
        for n, line in enumerate(box.lines):
            weight = ' font-weight="bold"' if n == 0 else ""
            text = html.escape(line).replace("  ", "\u00a0 ")
            parts.append(f'<text x="{x + _PAD:.1f}" y="{y0 + _PAD + _LINE * (n + 0.75):.1f}"{weight}>{text}</text>')
    return "\n".join([*parts, "</svg>"])
