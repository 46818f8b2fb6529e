#!/usr/bin/env python3
"""Compares the public names of Keras with those of tahr.keras, and writes docs/keras_api.md.

    api_table.py [NAMES.tsv] [PAGE.md]

The list (tests/conformance/keras_api.tsv by default) has a line per name: qualified name, kind, signature; for a class also
its methods. A name counts as there if it has the same arguments in the same order with the same defaults, and, of a class,
all public methods and properties by name. `keras._legacy.x`, what TensorFlow 2 showed, is looked for at `tahr.keras.x`.
"""

from __future__ import annotations

import ast
import collections
import inspect
import os
import re
import sys
from typing import Any, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = os.path.join(ROOT, "tests", "conformance", "keras_api.tsv")
PAGE = os.path.join(ROOT, "docs", "keras_api.md")


class Entry(NamedTuple):
    """A public name of Keras: `keras.ops.abs`, `(x)`, the methods of a class."""

    name: str
    signature: str
    methods: list[str]


def read(path: str = NAMES) -> list[Entry]:
    """The entries of the list."""
    entries = []
    with open(path, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            name, kind, text = line.rstrip("\n").split("\t")
            signature, *more = text.split(" | ")
            methods: list[str] = []
            for part in more:
                if kind == "class" and part.startswith("methods: "):
                    methods = re.findall(r"(?:^|; )(\w+)(?=[\[(])", part.removeprefix("methods: "))
            entries.append(Entry(name, signature, methods))
    return entries


def namespace(name: str) -> str:
    """Where a name belongs: `keras.ops` for `keras.ops.abs`."""
    return name.rpartition(".")[0]


def find(name: str) -> Any:
    """The object of tahr.keras that a name of Keras stands for.

    Raises:
        AttributeError: if there is none.
    """
    from tahr import keras

    found: Any = keras
    for part in name.split(".")[1:]:
        if part != "_legacy":
            found = getattr(found, part)
    return found


def _canonical(value: Any) -> str:
    """A default in a form to compare: 1, 1.0 and (1,) are the same; an object counts by its type, a class by its name."""
    if isinstance(value, (list, tuple)):
        return _canonical(value[0]) if len(value) == 1 else repr([_canonical(v) for v in value])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(float(value))
    if isinstance(value, (str, bool, dict, type(None))):
        return repr(value)
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _written(default: ast.expr | None) -> str:
    """The same for a default as the list has it: a literal, arithmetic, the name of a constant, or `<class 'x.Y'>`."""
    if default is None:
        return ""
    if isinstance(default, ast.Name):
        return repr(default.id.lower())
    if isinstance(default, ast.Call) and ast.unparse(default) == "backend.epsilon()":
        return _canonical(1e-7)
    if isinstance(default, (ast.Call, ast.Attribute)):
        return ast.unparse(default).partition("(")[0].rpartition(".")[2]
    if isinstance(default, ast.BinOp) and isinstance(default.op, ast.Pow):
        return _canonical(ast.literal_eval(default.left) ** ast.literal_eval(default.right))
    value = ast.literal_eval(default)
    if isinstance(value, str) and value.startswith("<"):
        return re.sub(r" object| at 0x[0-9a-f]+|<(class|function)? ?'?|'?>", "", value).rpartition(".")[2]
    return _canonical(value)


def expected_arguments(signature: str) -> list[tuple[str, str]]:
    """(name, default) of each argument in a signature as text; `**kwargs` is left out."""
    quoted = re.sub(r"=(<[^<>]*>)", lambda m: "=" + repr(m.group(1)), signature)
    parsed = ast.parse(f"def f{quoted}: pass").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    a = parsed.args
    plain = [*a.posonlyargs, *a.args]
    defaults: list[ast.expr | None] = [*([None] * (len(plain) - len(a.defaults))), *a.defaults]
    found: list[Any] = [(x.arg, _written(d)) for x, d in zip(plain, defaults)]
    found += [(f"*{a.vararg.arg}", "")] if a.vararg else []
    return found + [(x.arg, _written(d)) for x, d in zip(a.kwonlyargs, a.kw_defaults)]


def arguments(found: Any) -> list[tuple[str, str]]:
    """(name, default) of each argument of a function, or of the constructor of a class. `**kwargs` is left out."""
    text = getattr(inspect.unwrap(found), "__text_signature__", None)
    if text and not inspect.isclass(found):  # an op of the engine
        return expected_arguments(text)
    is_class = inspect.isclass(found) and "__signature__" not in found.__dict__
    if is_class and found.__init__ is object.__init__:
        return []
    parameters = list(inspect.signature(found.__init__ if is_class else found).parameters.values())[int(is_class) :]
    result = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            result.append((f"*{p.name}", ""))
        elif p.kind is not p.VAR_KEYWORD:
            result.append((p.name, "" if p.default is p.empty else _canonical(p.default)))
    return result


def difference(entry: Entry) -> str:
    """What tahr.keras lacks of an entry, in words; "" if nothing."""
    try:
        found = find(entry.name)
    except (AttributeError, ImportError):
        return "missing"
    except Exception as error:  # a name that says what to use in its place
        return f"refused: {type(error).__name__}"
    expected = expected_arguments(entry.signature)
    try:
        ours = arguments(found)
    except (TypeError, ValueError):
        return "has no signature"
    problems = []
    if ours != expected:
        names, wanted = [n for n, _ in ours], [n for n, _ in expected]
        lacking, added = [n for n in wanted if n not in names], [n for n in names if n not in wanted]
        defaults = dict(ours)
        other = [n for n, d in expected if n in defaults and defaults[n] != d]
        problems += [f"lacks `{'`, `'.join(lacking)}`"] if lacking else []
        problems += [f"also takes `{'`, `'.join(added)}`"] if added else []
        problems += [f"other default of `{'`, `'.join(other)}`"] if other else []
        problems += ["other order of arguments"] if not (lacking or added or other) else []
    missing = [m for m in entry.methods if not hasattr(found, m)]
    problems += [f"lacks the methods `{'`, `'.join(missing)}`"] if missing else []
    return "; ".join(problems)


def compare(entries: list[Entry]) -> dict[str, str]:
    """{name: what differs} of the names that are not there, or not the same."""
    return {entry.name: text for entry in entries if (text := difference(entry))}


def page(entries: list[Entry], differences: dict[str, str]) -> str:
    """The page as Markdown."""
    total = collections.Counter(namespace(e.name) for e in entries)
    same = collections.Counter(namespace(e.name) for e in entries if e.name not in differences)
    lines = [
        "# Keras's public names in tahr.keras",
        "",
        "Generated by `tools/api_table.py` from `tests/conformance/keras_api.tsv`. A name counts if it has the same",
        "arguments, order and defaults as in Keras, and a class also all public methods and properties. A test sees to it",
        "that the list at the end only shrinks.",
        "",
        f"**{sum(same.values())} of {len(entries)} names.**",
        "",
        "| namespace | names | as in Keras |",
        "|---|---|---|",
        *(f"| `{space}` | {count} | {same[space]} |" for space, count in sorted(total.items())),
        "",
        "## Not yet",
        "",
    ]
    return "\n".join([*lines, *(f"- `{name}`: {text}" for name, text in sorted(differences.items()))]) + "\n"


def listed(path: str = PAGE) -> set[str]:
    """The names that the page lists as missing or different."""
    with open(path, encoding="utf-8") as lines:
        return {m.group(1) for line in lines if (m := re.match(r"- `([\w.]+)`: ", line))}


def main() -> None:
    names, target = [*sys.argv[1:], *(NAMES, PAGE)[len(sys.argv) - 1 :]]
    entries = read(names)
    differences = compare(entries)
    with open(target, "w", encoding="utf-8") as f:
        f.write(page(entries, differences))
    print(f"{len(entries) - len(differences)} of {len(entries)} names as in Keras; written to {target}")


if __name__ == "__main__":
    main()
