"""The table that `Model.summary()` prints, character for character that of Keras 3."""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.dtypes import standardize_dtype

_PADDING = 2  # one blank on each side of a cell


def count_params(weights: list[Any]) -> int:
    """The number of scalars in `weights`."""
    return sum(math.prod(v.shape) for v in weights)


def memory_size(weights: list[Any]) -> int:
    """The bytes that `weights` take, each counted once."""
    total = 0
    for v in {id(w): w for w in weights}.values():
        dtype = standardize_dtype(v.dtype)
        bits = 8 if dtype == "bool" else int(re.sub(r"\D", "", dtype.split("_")[0]))
        total += math.prod(v.shape) * bits // 8
    return total


def readable_size(size: float) -> str:
    """`size` bytes with a unit: "931.68 KB"."""
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):
        if size < 1024 or unit == "PB":
            break
        size /= 1024
    return f"{size:.2f} {unit}"


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Prints the summary of `model`; the arguments are those of `Model.summary`."""
    text = render(model, line_length, positions, expand_nested, show_trainable, layer_range)
    if print_fn is not None:
        print_fn(text)
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = re.sub(r"[━─]", "-", re.sub(r"[┃│]", "|", re.sub(r"[┏┳┓┡╇┩├┼┤└┴┘]", "+", text)))
    sys.stdout.write(text)


def render(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> str:
    """The summary as one string."""
    from tahr.keras.saving.keras_ops import class_name

    graph_nodes = _branching_nodes(model)
    layers = list(model._operations) if hasattr(model, "_operations") else model.layers
    if graph_nodes is None:
        length, header, align = 88, ["Layer (type)", "Output Shape", "Param #"], "llr"
        positions = positions or [0.45, 0.80, 1.0]
    else:
        length, header, align = 108, ["Layer (type)", "Output Shape", "Param #", "Connected to"], "llrl"
        positions = positions or [0.3, 0.56, 0.74, 1.0]
    if show_trainable:
        length += 12
        positions = [p * 0.90 for p in positions] + [1.0]
        header, align = [*header, "Trainable"], align + "c"
    line_length = line_length or min(length, shutil.get_terminal_size().columns - 4)
    widths = _column_widths(positions, line_length)

    rows: list[list[str]] = []

    def add_rows(layer: Any, level: int) -> None:
        prefix = "   " * level + "└ " if level else ""
        fields = [f"{prefix}{layer.name} ({class_name(layer)})", _output_shape(layer), _params(layer)]
        if graph_nodes is not None:
            fields.append(_connections(layer, graph_nodes))
        if show_trainable:
            has_weights = len(getattr(layer, "weights", ())) > 0
            fields.append(("Y" if layer.trainable else "N") if has_weights else "-")
        rows.append(fields)
        if expand_nested and getattr(layer, "layers", None):
            for inner in layer.layers:
                add_rows(inner, level + 1)

    low, high = _layer_bounds(layers, layer_range)
    for layer in layers[low:high]:
        add_rows(layer, 0)

    lines = [f'Model: "{model.name}"', *_table(header, rows, widths, align)]
    trainable, fixed = model.trainable_weights, model.non_trainable_weights
    optimizer: Any = getattr(model, "optimizer", None)
    used = list(optimizer.variables) if getattr(model, "compiled", False) and getattr(optimizer, "built", False) else []
    total = (
        (count_params(trainable) + count_params(fixed) + count_params(used)),
        (memory_size(trainable) + memory_size(fixed) + memory_size(used)),
    )
    lines.append(f" Total params: {total[0]:,} ({readable_size(total[1])})")
    lines.append(f" Trainable params: {count_params(trainable):,} ({readable_size(memory_size(trainable))})")
    lines.append(f" Non-trainable params: {count_params(fixed):,} ({readable_size(memory_size(fixed))})")
    if used:
        lines.append(f" Optimizer params: {count_params(used):,} ({readable_size(memory_size(used))})")
    return "\n".join(lines) + "\n"


def _branching_nodes(model: Any) -> set[int] | None:
    """Ids of the model's nodes if its graph is more than one chain, else None."""
    if not hasattr(model, "_nodes_by_depth"):
        return None
    nodes: set[int] = set()
    branching = False
    for group in model._nodes_by_depth.values():
        nodes.update(id(n) for n in group)
        branching = branching or len(group) > 1 or len(group[0].input_tensors) > 1
    shared = any(sum(id(n) in nodes for n in layer._inbound_nodes) > 1 for layer in model.layers)
    return nodes if branching or shared else None


def _output_shape(layer: Any) -> str:
    nodes = layer._inbound_nodes
    built_with: Any = getattr(layer, "_build_shapes_dict", None)
    if not nodes and not built_with:
        return "?"
    if nodes:
        shapes = [x.shape for x in nodes[-1].outputs]
    else:
        try:
            if hasattr(layer, "output_shape"):
                shapes = [layer.output_shape]
            else:
                found = layer.compute_output_shape(**built_with)
                flat: list[Any] = []
                tree.map_shape_structure(flat.append, found)
                shapes = flat
        except NotImplementedError:
            return "?"
    texts = [f"({', '.join(str(d) for d in s)})" for s in shapes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _params(layer: Any) -> str:
    if not hasattr(layer, "built"):
        return "0"
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _connections(layer: Any, nodes: set[int]) -> str:
    found = []
    for node in layer._inbound_nodes:
        if id(node) in nodes:
            for x in node.input_tensors:
                history = x._keras_history
                found.append(f"{history.operation.name}[{history.node_index}][{history.tensor_index}]")
    return ", ".join(found) or "-"


def _column_widths(positions: list[float], line_length: int) -> list[int]:
    """Widths of the cells with padding: what `positions` ask for, reduced evenly to fit the line with its borders."""
    widths = []
    current = 0
    for p in positions:
        width = int(p * line_length) - current
        if width < 4:
            raise ValueError(f"[summary] expected a line_length with room for all columns, received {line_length}.")
        widths.append(width + _PADDING)
        current += width
    excess = sum(widths) - (line_length - len(widths) - 1)
    for i in range(len(widths)):
        take = round(excess / (len(widths) - i))
        widths[i] -= take
        excess -= take
    return widths


def _table(header: list[str], rows: list[list[str]], widths: list[int], align: str) -> list[str]:
    def rule(left: str, line: str, cross: str, right: str) -> str:
        return left + cross.join(line * w for w in widths) + right

    def cells(fields: list[str], bar: str) -> list[str]:
        columns = [_wrap(f, w - _PADDING) for f, w in zip(fields, widths)]
        height = max(len(c) for c in columns)
        lines = []
        for i in range(height):
            parts = []
            for column, w, a in zip(columns, widths, align):
                text = column[i] if i < len(column) else ""
                room = w - _PADDING
                if a == "c":
                    left = (room - len(text)) // 2
                    padded = " " * left + text + " " * (room - len(text) - left)
                else:
                    padded = text.rjust(room) if a == "r" else text.ljust(room)
                parts.append(f" {padded} ")
            lines.append(bar + bar.join(parts) + bar)
        return lines

    lines = [rule("┏", "━", "┳", "┓"), *cells(header, "┃"), rule("┡", "━", "╇", "┩")]
    for i, row in enumerate(rows):
        if i:
            lines.append(rule("├", "─", "┼", "┤"))
        lines.extend(cells(row, "│"))
    lines.append(rule("└", "─", "┴", "┘"))
    return lines


def _wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`, broken between words; a word longer than a line is cut off."""
    lines = [""]
    for word in re.findall(r"\s*\S+\s*", text):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    lines = [line.rstrip() for line in lines]
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _layer_bounds(layers: list[Any], layer_range: Any) -> tuple[int, int]:
    if layer_range is None:
        return 0, len(layers)
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"[summary] expected layer_range to be two layer names, received {layer_range!r}.")
    first, last = ([i for i, lr in enumerate(layers) if re.match(name, lr.name)] for name in layer_range)
    if not first or not last:
        raise ValueError(
            f"[summary] expected layer_range to name layers of the model, received {layer_range!r}. "
            f"They are {[lr.name for lr in layers]}."
        )
    if min(first) > max(last):
        return min(last), max(first) + 1
    return min(first), max(last) + 1
