"""`inspect.signature` of the functions of the table."""

import inspect

import pytest
from tahr import _C, keras, ops

OUT_OF_ORDER = ("conv_linear", "linear_grad", "loop")  # internal: required parameters after optional ones
MORE = (
    "einsum",
    "layer_normalization",
    "meshgrid",
    "multi_hot",
    "rearrange",
    "switch",
    "vectorize",
)  # which Keras gives other kinds, too


def test_parameters_and_defaults():
    assert str(inspect.signature(keras.ops.add)) == "(x1, x2)"
    assert str(inspect.signature(ops.sum)) == "(x, axis=None, keepdims=False)"
    assert inspect.signature(ops.take).parameters["axis"].default is None


@pytest.mark.parametrize("module", [ops, keras.ops], ids=["tahr", "keras"])
def test_every_function_has_one(module):
    for name in ops.__all__:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) or name in MORE, name


def test_parameters_are_those_of_the_table():
    for row in _C.op_table():
        function = getattr(_C.ops, row["name"])
        expected = [d["name"] for d in (*row["inputs"], *row["attrs"])]
        if row["name"] in OUT_OF_ORDER:
            with pytest.raises(ValueError):
                inspect.signature(function)
        else:
            assert list(inspect.signature(function).parameters) == expected
