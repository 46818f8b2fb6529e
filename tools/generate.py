"""Writes what follows from the op table: the type stub of the extension and the reference of ops.

Usage: generate.py EXTENSION [--stub FILE] [--docs FILE]

EXTENSION is the built `_C` library. The stub gives editors and type checkers every op's signature; the reference
lists every public op with its signature, traits and documentation.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

TYPES = {
    "an int": "int",
    "a float": "float",
    "a bool": "bool",
    "a string": "str",
    "a dtype": "DTypeLike",
    "an int or None": "int | None",
    "a float or None": "float | None",
    "a dtype or None": "DTypeLike | None",
    "a string or None": "str | None",
    "a tuple of ints": "Ints",
    "a tuple of pairs of ints": "Ints | Sequence[Ints]",
    "a tuple of ints or None": "Ints | None",
    "a number, a string or None": "float | str | None",
    "traced graphs": "Any",
    "an int, a tuple of ints or None": "Ints | None",
}

STUB_HEAD = '''"""Generated from the op table by tools/generate.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

DTypeLike = Any
Ints = int | Sequence[int | None]
TensorLike = Any
__version__: str

def __getattr__(name: str) -> Any: ...

class Tensor:
    shape: Any
    dtype: Any
    ndim: int
    size: Any
    nbytes: int
    is_symbolic: bool
    device: str
    T: Tensor
    def numpy(self) -> np.ndarray: ...
    def __getattr__(self, name: str) -> Any: ...
'''

VARIABLE = """
class Variable:
    shape: Any
    dtype: Any
    ndim: int
    size: int
    trainable: bool
    name: str
    _version: int
    _handle: Tensor
    def __init__(self, value: Any, name: str = ..., trainable: bool = ...) -> None: ...
"""

OPERATORS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod"),
    *("pow", "rpow", "matmul", "rmatmul", "and", "rand", "or", "ror", "xor", "rxor", "lshift", "rshift"),
    *("lt", "le", "gt", "ge", "getitem"),
)


def load(extension: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tahr._C", extension)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parameters(op: dict[str, Any]) -> str:
    parts = []
    for i in op["inputs"]:
        kind = "Sequence[TensorLike]" if i["variadic"] else "TensorLike"
        parts.append(f"{i['name']}: {kind}" + (" = None" if i["optional"] else ""))
    for a in op["attrs"]:
        parts.append(f"{a['name']}: {TYPES[a['kind']]}" + ("" if a["required"] else " = ..."))
    # A required attribute after an optional input can only be given by name.
    seen_default = False
    for i, p in enumerate(parts):
        if " = " in p:
            seen_default = True
        elif seen_default:
            parts.insert(i, "*")
            break
    return ", ".join(parts)


def stub(table: list[dict[str, Any]]) -> str:
    lines = [STUB_HEAD]
    methods = [f"    def __{n}__(self, other: Any) -> Any: ..." for n in OPERATORS]
    methods += [f"    def __{n}__(self) -> Any: ..." for n in ("neg", "pos", "abs", "invert", "iter")]
    methods += [f"    def __{n}__(self) -> {n}: ..." for n in ("bool", "float", "int")] + [
        "    def __len__(self) -> int: ..."
    ]
    lines += methods + [VARIABLE.rstrip()] + methods + ["", "class ops:"]
    for op in table:
        result = {0: "None", 1: "Tensor", -1: "list[Tensor]"}.get(op["outputs"])
        result = result or f"tuple[{', '.join(['Tensor'] * op['outputs'])}]"
        lines += ["    @staticmethod", f"    def {op['name']}({parameters(op)}) -> {result}: ..."]
    return "\n".join(lines) + "\n"


def reference(table: list[dict[str, Any]]) -> str:
    public = [op for op in table if not op["hidden"]]
    lines = [
        "# Ops",
        "",
        f"The {len(public)} public ops of the table, generated from it. Each is `tahr.ops.NAME`; arguments and defaults are",
        "those of `keras.ops` where it has a function of that name.",
        "",
    ]
    for op in sorted(public, key=lambda o: o["name"]):
        traits = [t for t in ("elementwise", "reduction", "random", "composite", "fused") if op[t]]
        traits.append("differentiable" if op["differentiable"] else "no gradient")
        lines += [f"## `{op['name']}{op['signature']}`", "", f"*{', '.join(traits)}*", "", op["doc"].strip(), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extension")
    parser.add_argument("--stub")
    parser.add_argument("--docs")
    args = parser.parse_args()
    table = load(args.extension).op_table()
    if args.stub:
        Path(args.stub).write_text(stub(table))
    if args.docs:
        Path(args.docs).write_text(reference(table))


if __name__ == "__main__":
    main()
