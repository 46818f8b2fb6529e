"""Rows of the elementwise family: activations."""

from __future__ import annotations

import math

import numpy as np

from .elementwise_arithmetic import one
from .elementwise_math import _each, _one_rounding
from .row import FLOATS, INTS, Case

KINK = {"avoid": (0.0,), "gap": 0.1}
WIDE = {"low": -9.0, "high": 9.0}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def _elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(x))


def _celu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(x / alpha))


def _gelu(x: np.ndarray, approximate: bool = True) -> np.ndarray:
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * _each(math.erfc)(-x / math.sqrt(2))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(np.int32(x) if x.dtype == bool else x, 0)


def _sparse_plus(x: np.ndarray) -> np.ndarray:
    return np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip((x + 3) / 6, 0, 1)


def _cases(*attrs: dict) -> list[Case]:
    return [Case([(2, 3)], a) for a in attrs]


ROWS = [
    one("relu", _relu, dtypes=("bool", *INTS, *FLOATS), **KINK),
    one("relu6", lambda x: np.clip(x, 0, 6), **WIDE, avoid=(0.0, 6.0)),
    one(
        *("leaky_relu", lambda x, negative_slope=0.2: np.where(x > 0, x, negative_slope * x)),
        **KINK,
        cases=_cases({}, {"negative_slope": 0.01}),
    ),
    one("elu", _elu, **KINK, ulp=3.5, cases=_cases({}, {"alpha": 0.5})),
    one("celu", _celu, **KINK, ulp=5, cases=_cases({}, {"alpha": 0.5})),
    one("selu", lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772), **KINK, ulp=4.5),
    one("gelu", _gelu, ulp=8, terms=_one_rounding, cases=_cases({}, {"approximate": False})),
    one("sigmoid", _sigmoid, **WIDE, ulp=2.5),
    one("log_sigmoid", lambda x: -_softplus(-x), **WIDE, ulp=2.5),
    one("softplus", _softplus, **WIDE, ulp=2.5),
    *(one(op, lambda x: x * _sigmoid(x), **WIDE, ulp=3.5) for op in ("silu", "swish")),
    one("mish", lambda x: x * np.tanh(_softplus(x)), **WIDE, ulp=5),
    one("softsign", lambda x: x / (1 + np.abs(x)), **KINK),
    one("hard_sigmoid", _hard_sigmoid, **WIDE, avoid=(-3.0, 3.0)),
    *(one(op, lambda x: x * _hard_sigmoid(x), **WIDE, avoid=(-3.0, 3.0), ulp=3) for op in ("hard_silu", "hard_swish")),
    one("hard_tanh", lambda x: np.clip(x, -1, 1), avoid=(-1.0, 1.0)),
    one("hard_shrink", lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x, 0), avoid=(-0.5, 0.5)),
    one("soft_shrink", lambda x, threshold=0.5: np.sign(x) * np.maximum(np.abs(x) - threshold, 0), avoid=(-0.5, 0.5)),
    one("tanh_shrink", lambda x: x - np.tanh(x), terms=_one_rounding, ulp=3),
    one("squareplus", lambda x, b=4: (x + np.sqrt(x * x + b)) / 2, terms=_one_rounding, cases=_cases({}, {"b": 1})),
    one(
        *("threshold", lambda x, threshold, default_value: np.where(x > threshold, x, default_value)),
        avoid=(1.0,),
        cases=_cases({"threshold": 1.0, "default_value": -2.0}),
        bench_attrs={"threshold": 1.0, "default_value": -2.0},
    ),
    one("sparse_plus", _sparse_plus, avoid=(-1.0, 1.0), ulp=4),
    one("sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1), avoid=(-1.0, 1.0)),
]
