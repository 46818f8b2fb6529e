"""`model.export`: inference graphs for programs without this package.

`signature.py` finds what a model takes and traces one call of it, with the weights as constants. The graph file is written
by the engine (csrc/runtime), ONNX by `onnx.py` with a rule per op in `onnx_ops.py` and the files that it imports.
`archive.py` is `keras.export.ExportArchive`, several functions at once. What may not live here: files that a model is loaded
from again (`tahr.keras.saving`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tahr import _C
from tahr.keras.exporting.onnx import to_onnx
from tahr.keras.exporting.signature import frozen
from tahr.keras.saving.atomic import replacing

_FORMATS = ("onnx", "tahr")


def export_model(model: Any, filepath: Any, format: str, verbose: bool | None, input_signature: Any) -> None:
    """Writes the inference graph of `model`; see `Model.export`."""
    if format not in _FORMATS:
        readers = {"tf_saved_model": "TensorFlow", "openvino": "OpenVINO", "litert": "LiteRT", "torch": "PyTorch"}
        reader = readers.get(format)
        way = f" {reader} is not part of this package; converters to its files read ONNX." if reader else ""
        raise ValueError(
            f"[{model.name}] export expected format='onnx' (for other programs) or format='tahr' (for csrc/runtime), "
            f"received format={format!r}.{way} Pass one of them."
        )
    graph = frozen(model, input_signature)
    if format == "onnx":
        content = to_onnx(model, graph)
    else:
        content = _C.graph_bytes(graph.function, graph.inputs, graph.outputs)
    with replacing(filepath) as temporary:
        temporary.write_bytes(content)
    if verbose:
        print(f"Wrote {Path(filepath)}: {len(content):,} bytes, inputs {graph.inputs}, outputs {graph.outputs}.")
