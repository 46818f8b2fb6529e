"""Where the numbers of a graph file lie, for tools/fuzz_files.py: a reader of the format of csrc/runtime/file.h."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Field(NamedTuple):
    """A number in the header of a graph file."""

    at: int
    code: str  # of struct
    kind: str  # "attribute", "dimension", "value", "count", "dtype"


_KINDS = ["Int", "Float", "Bool", "String", "DType", "OptInt", "OptFloat", "OptDType", "OptString", "IntList"]
_KINDS += ["OptIntList", "AxisSet", "NumberOrName", "PairList", "Graphs"]


class _Reader:
    def __init__(self, header: bytes) -> None:
        self.header, self.at, self.fields = header, 0, list[Field]()

    def number(self, code: str, kind: str = "") -> int:
        if kind:
            self.fields.append(Field(self.at, "<" + code, kind))
        value = struct.unpack_from("<" + code, self.header, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def string(self) -> None:
        length = self.number("I")
        self.at += length

    def spec(self) -> None:
        self.number("B", "dtype")
        for _ in range(self.number("B", "count")):
            self.number("q", "dimension")

    def ids(self) -> None:
        for _ in range(self.number("I", "count")):
            self.number("i", "value")

    def attribute(self, kind: str) -> None:
        if kind.startswith("Opt"):
            if self.number("B", "attribute"):
                self.attribute(kind[3:])
        elif kind in ("Int", "Float"):
            self.number("q" if kind == "Int" else "d", "attribute")
        elif kind in ("Bool", "DType"):
            self.number("B", "attribute")
        elif kind == "String":
            self.string()
        elif kind == "IntList":
            for _ in range(self.number("I")):
                self.number("q", "attribute")
        elif kind == "AxisSet":
            self.number("B", "attribute")
            self.number("B", "attribute")
            self.attribute("IntList")
        elif kind == "NumberOrName":
            which = self.number("B")
            if which:
                self.attribute("Float" if which == 1 else "String")
        elif kind == "Graphs":
            for _ in range(self.number("I")):
                self.graph()
        else:
            raise ValueError(f"no graph holds attributes of the kind {kind}")

    def graph(self) -> None:
        for _ in range(self.number("I", "count")):
            self.spec()
        for _ in range(self.number("I")):
            self.number("I", "value")
        for _ in range(self.number("I")):
            self.string()
            for _ in range(self.number("I")):
                self.string()
                self.attribute(_KINDS[self.number("B")])
            self.ids()
            self.number("I", "count")
        self.ids()


def fields(header: bytes) -> list[Field]:
    """The numbers of an undamaged header by kind, counts of bytes left out."""
    reader = _Reader(header)
    for _ in range(reader.number("I")):
        reader.spec()
        reader.number("Q", "value")
    reader.graph()
    return reader.fields
