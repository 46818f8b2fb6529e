"""The examples in the docs run: those of every op of the table and those of every module of the package."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
import tahr
import tahr.keras

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

OPS = {op["name"]: op for op in tahr._C.op_table()}
MODULES = sorted(m.name for m in pkgutil.walk_packages(tahr.__path__, "tahr.") if not m.name.endswith("._C"))


def failures(tests):
    """What the runs of some examples print where they differ from what is written; empty if they agree."""
    report = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in tests:
        runner.run(test, out=report.append)
    return "".join(report)


def test_a_wrong_example_is_noticed():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert "Expected:" in failures([test])


@pytest.mark.parametrize("name", OPS)
def test_op(name):
    doc = tahr._C.op_function(name).__doc__
    test = doctest.DocTestParser().get_doctest(doc, {"tahr": tahr, "np": np}, f"tahr.ops.{name}", None, None)
    assert test.examples or OPS[name]["hidden"], "a public op shows an example"
    report = failures([test])
    assert not report, report


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    module = importlib.import_module(name)
    report = failures(doctest.DocTestFinder(exclude_empty=True).find(module, name))
    assert not report, report
