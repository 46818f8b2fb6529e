"""What docs/keras_api.md says of Keras's public names still holds: its list of what is missing may only shrink."""

from __future__ import annotations

import importlib.util
import os

import pytest

pytest.importorskip("tahr")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("api_table", os.path.join(ROOT, "tools", "api_table.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_name_was_lost(table):
    differences = table.compare(table.read())
    lost = {name: differences[name] for name in set(differences) - table.listed()}
    assert not lost, "these were as in Keras when docs/keras_api.md was written (tools/api_table.py rewrites it)"


@pytest.mark.parametrize(
    ("name", "signature", "methods", "expected"),
    [
        ("keras.ops.softmax", "(x, axis=-1)", [], ""),
        ("keras.ops.softmax", "(x, axis=1)", [], "other default of `axis`"),
        ("keras.ops.softmax", "(x, axis=-1, where=None)", [], "lacks `where`"),
        ("keras.ops.softmax", "(axis=-1)", [], "also takes `x`"),
        ("keras.ops.add", "(x2, x1)", [], "other order of arguments"),
        ("keras.ops.soft_max", "(x)", [], "missing"),
        ("keras.layers.Rescaling", "(scale, offset=0.0, **kwargs)", ["call"], ""),
        ("keras.layers.Rescaling", "(scale, offset=0, **kwargs)", ["call", "calls"], "lacks the methods `calls`"),
        ("keras._legacy.backend.abs", "(x)", [], ""),
    ],
)
def test_differences_are_seen(table, name, signature, methods, expected):
    assert table.difference(table.Entry(name, signature, methods)) == expected


def test_lines_of_the_list_are_read(table, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text(
        "qualified_name\tkind\tsignature\n"
        "keras.f\tfunction\t(x, *, power=2.0 ** 3, sizes=(1,), kind=<class 'a.b.C'>, **kwargs)\n"
        "keras.C\tclass\t(name=None) | bases: keras.B | methods: call(x, y=1); name[property]; make[classmethod](config)\n"
    )
    function, cls = table.read(str(path))
    assert table.expected_arguments(function.signature) == [
        ("x", ""), ("power", "8.0"), ("sizes", "1.0"), ("kind", "C"),
    ]  # fmt: skip
    assert cls.methods == ["call", "name", "make"]
    text = table.page([function, cls], {"keras.f": "missing"})
    assert "**1 of 2 names.**" in text and "| `keras` | 2 | 1 |" in text and "- `keras.f`: missing" in text
