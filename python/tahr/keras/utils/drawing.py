"""Drawings of models: boxes for layers, arrows for what flows between them. pydot describes, Graphviz draws."""

from __future__ import annotations

import html
import os
from typing import Any

from tahr.keras import tree


def _pydot() -> Any:
    try:
        import pydot
    except ImportError:
        raise ImportError(
            "[plot_model] drawing models needs pydot (pip install pydot) and Graphviz (Debian, Ubuntu: apt-get install "
            "graphviz; macOS: brew install graphviz)."
        ) from None
    return pydot


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """The drawing of a model as a `pydot.Dot`.

    Args:
        model: a Sequential or functional model, or a subclass: of that, only the box itself, or its layers if it is built.
        show_shapes: write the shapes of inputs and outputs.
        show_dtype: write the dtypes of outputs.
        show_layer_names: write the names of layers, beside their classes.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        expand_nested: draw the layers of models inside, in a frame.
        dpi: dots per inch.
        subgraph: whether to return a `pydot.Cluster`, a frame inside of another drawing.
        show_layer_activations: write the activations of layers that have one.
        show_trainable: write which layers are trainable.
        splines: how arrows run, in Graphviz's words.
        kwargs: `layer_range`: the names of the first and last layer to draw.

    Raises:
        ImportError: without pydot.
        ValueError: for a model that was not built, or other arguments.
    """
    layer_range = kwargs.pop("layer_range", None)
    if kwargs:
        raise ValueError(f"[model_to_dot] expected no further arguments, received {sorted(kwargs)}.")
    if not getattr(model, "built", False):
        raise ValueError(
            f"[model_to_dot] expected a built model, received {model.name!r} without weights or shapes. Call build() or "
            "call it on data first."
        )
    pydot = _pydot()
    if subgraph:
        dot = pydot.Cluster(style="dashed", graph_name=_quoted(model.name), label=_quoted(model.name), labeljust="l")
    else:
        dot = pydot.Dot(graph_type="digraph", rankdir=rankdir, concentrate="true", dpi=str(dpi), splines=splines)
        dot.set_node_defaults(shape="plaintext", fontname="Helvetica", margin="0")
    shows = {
        "show_shapes": show_shapes,
        "show_dtype": show_dtype,
        "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations,
        "show_trainable": show_trainable,
    }
    drawing = _Drawing(pydot, shows, expand_nested)
    drawing.add(dot, model, layer_range)
    for start, end in dict.fromkeys(drawing.arrows):
        dot.add_edge(pydot.Edge(start, end, penwidth="2"))
    return dot


class _Drawing:
    """Fills a dot graph with the layers of a model, and of models inside of it."""

    def __init__(self, pydot: Any, shows: dict[str, bool], expand_nested: bool) -> None:
        self.pydot, self.shows, self.expand_nested = pydot, shows, expand_nested
        self.arrows: list[tuple[str, str]] = []

    def add(self, dot: Any, model: Any, layer_range: Any = None) -> tuple[list[str], list[str]]:
        """Adds the layers of `model`; the ids of the boxes that take its inputs and give its outputs."""
        from tahr.keras.models import Functional, Sequential

        if isinstance(model, Sequential):
            shown = _in_range(model._layers, layer_range)
            ends = [self._box(dot, layer) for layer in shown]
            for (_, out), (into, _) in zip(ends, ends[1:]):
                self.arrows += [(a, b) for a in out for b in into]
            return (ends[0][0], ends[-1][1]) if ends else ([], [])
        if not isinstance(model, Functional):
            boxes = [self._box(dot, layer) for layer in _in_range(model.layers, layer_range)] or [
                self._leaf(dot, model)
            ]
            return [i for a, _ in boxes for i in a], [o for _, b in boxes for o in b]
        shown = _in_range(model.operations, layer_range)
        ends_of = {id(op): self._box(dot, op) for op in shown}
        nodes = {id(n) for group in model._nodes_by_depth.values() for n in group}
        for op in shown:
            for node in op._inbound_nodes:
                if id(node) not in nodes:
                    continue
                for x in node.input_tensors:
                    source = ends_of.get(id(x._keras_history.operation))
                    if source is not None:
                        self.arrows += [(a, b) for a in source[1] for b in ends_of[id(op)][0]]
        inputs = [i for x in model._inputs for i in ends_of.get(id(x._keras_history.operation), ([], []))[0]]
        outputs = [o for x in model._outputs for o in ends_of.get(id(x._keras_history.operation), ([], []))[1]]
        return inputs, outputs

    def _box(self, dot: Any, op: Any) -> tuple[list[str], list[str]]:
        from tahr.keras.models import Functional, Model, Sequential

        if self.expand_nested and isinstance(op, Model) and (isinstance(op, (Functional, Sequential)) or op.layers):
            frame = self.pydot.Cluster(style="dashed", graph_name=str(id(op)), label=_quoted(op.name), labeljust="l")
            inside = self.add(frame, op)
            dot.add_subgraph(frame)
            return inside
        return self._leaf(dot, op)

    def _leaf(self, dot: Any, op: Any) -> tuple[list[str], list[str]]:
        key = str(id(op))
        dot.add_node(self.pydot.Node(key, label=_label(op, **self.shows)))
        return [key], [key]


def _in_range(operations: Any, layer_range: Any) -> list[Any]:
    operations = list(operations)
    if not layer_range:
        return operations
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"[plot_model] expected layer_range to be two names of layers, received {layer_range!r}.")
    names = [op.name for op in operations]
    missing = [name for name in layer_range if name not in names]
    if missing:
        raise ValueError(
            f"[plot_model] expected names of layers in layer_range, received {missing}. There are {names}."
        )
    first, last = sorted(names.index(name) for name in layer_range)
    return operations[first : last + 1]


def _label(
    op: Any,
    show_shapes: bool,
    show_dtype: bool,
    show_layer_names: bool,
    show_layer_activations: bool,
    show_trainable: bool,
) -> str:
    """The box of one layer: an HTML-like table of Graphviz."""
    from tahr.keras.saving.keras_ops import class_name

    kind = class_name(op)
    title = f"<b>{_text(op.name)}</b> ({_text(kind)})" if show_layer_names else f"<b>{_text(kind)}</b>"
    cells = []
    if show_shapes:
        if kind != "InputLayer":
            cells.append(f"Input shape: <b>{_text(_described(op, 'input', 'shape'))}</b>")
        cells.append(f"Output shape: <b>{_text(_described(op, 'output', 'shape'))}</b>")
    if show_dtype:
        cells.append(f"Output dtype: <b>{_text(_described(op, 'output', 'dtype'))}</b>")
    row = "".join(f'<td bgcolor="white">{cell}</td>' for cell in cells)
    if show_trainable and getattr(op, "weights", None):
        word, colour = ("Trainable", "forestgreen") if op.trainable else ("Non-trainable", "firebrick")
        cells.append(word)
        row += f'<td bgcolor="{colour}"><font color="white"><b>{word}</b></font></td>'
    span = max(len(cells), 1)
    rows = [f'<tr><td colspan="{span}" bgcolor="black"><font color="white" point-size="16">{title}</font></td></tr>']
    activation = getattr(op, "activation", None)
    if show_layer_activations and activation is not None:
        name = getattr(activation, "__name__", None) or getattr(activation, "name", None) or str(activation)
        rows.append(f'<tr><td colspan="{span}" bgcolor="white">Activation: <b>{_text(name)}</b></td></tr>')
    if row:
        rows.append(f"<tr>{row}</tr>")
    return f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="8">{"".join(rows)}</table>>'


def _described(op: Any, side: str, what: str) -> str:
    try:
        found = tree.map_structure(lambda x: tuple(x.shape) if what == "shape" else x.dtype, getattr(op, side))
    except (AttributeError, ValueError):
        return "?"
    return ", ".join(f"{k}: {v}" for k, v in found.items()) if isinstance(found, dict) else str(found)


def _text(value: Any) -> str:
    return html.escape(str(value))


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draws a model into a file.

    Args:
        model: the model.
        to_file: path; its ending says what is written: ".png", ".svg", ".pdf", ".dot", ...
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, show_layer_activations, show_trainable,
            splines, kwargs: as in `model_to_dot`.

    Returns:
        In a notebook the picture, so that it shows there; else None.

    Raises:
        ImportError: without pydot or Graphviz.
        ValueError: as in `model_to_dot`.
    """
    dot = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False, show_layer_activations,
        show_trainable, splines, **kwargs,
    )  # fmt: skip
    path = os.fspath(to_file)
    ending = os.path.splitext(path)[1].lstrip(".") or "png"
    try:
        dot.write(path, format="raw" if ending == "dot" else ending)
    except OSError as error:
        raise ImportError(
            f"[plot_model] Graphviz could not be run ({error}). Install it (Debian, Ubuntu: apt-get install graphviz; "
            "macOS: brew install graphviz)."
        ) from error
    return _in_notebook(path, ending)


def _in_notebook(path: str, ending: str) -> Any:
    import sys

    display = sys.modules.get("IPython.display")
    if display is None or ending not in ("png", "jpg", "jpeg", "gif", "svg"):
        return None
    return display.SVG(filename=path) if ending == "svg" else display.Image(filename=path)
