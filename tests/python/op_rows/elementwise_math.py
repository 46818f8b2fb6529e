"""Rows of the elementwise family: exponentials, logarithms, trigonometric, hyperbolic and special functions.

The bounds are those that csrc/cpu/isa/vmath*.h states for float32 and float64.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

from .elementwise_arithmetic import INEXACT, one, two
from .row import FLOATS, Case, In


def _each(f: Any) -> Any:
    return lambda x: np.array([f(float(v)) for v in np.ravel(x)]).reshape(np.shape(x))


def _erfinv(y: float) -> float:
    return statistics.NormalDist().inv_cdf((1 + y) / 2) / math.sqrt(2)


def _sinc(x: Any) -> Any:
    t = np.asarray(x, np.longdouble) * (np.longdouble(math.pi) + np.longdouble(1.2246467991473532e-16))
    return (np.sin(t) / t).astype(np.float64)


def _one_rounding(case: Case) -> int:
    return 1


_BESSEL = 8  # np.i0 itself is good to about 4e-16 relative

ROWS = [
    one("exp", np.exp, -20, 10, dtypes=INEXACT, ulp=1.1),
    one("exp2", np.exp2, -20, 12, dtypes=INEXACT, ulp=1.6),
    one("expm1", np.expm1, -5, 5, ulp=2.1),
    one("log", np.log, 0.05, 30, ulp=1.1, dtypes=FLOATS),
    one("log2", np.log2, 0.05, 30, ulp=2.5),
    one("log10", np.log10, 0.05, 30, ulp=2.1),
    one("log1p", np.log1p, -0.9, 30, ulp=1.6),
    two("logaddexp", np.logaddexp, In(-20, 20), ulp=2.5, terms=_one_rounding),
    two("logaddexp2", np.logaddexp2, In(-20, 20), ulp=2.5, terms=_one_rounding),
    one("sin", np.sin, -50, 50, dtypes=INEXACT, ulp=2),
    one("cos", np.cos, -50, 50, dtypes=INEXACT, ulp=2),
    one("tan", np.tan, -1.4, 1.4, ulp=4),
    one("arcsin", np.arcsin, -0.95, 0.95, ulp=2.5),
    one("arccos", np.arccos, -0.95, 0.95, ulp=2),
    one("arctan", np.arctan, -9, 9, ulp=2),
    two("arctan2", np.arctan2, In(-3, 3, avoid=(0.0,), gap=0.3), ulp=2.5),
    one("sinh", np.sinh, -9, 9, ulp=3),
    one("cosh", np.cosh, -9, 9, ulp=3),
    one("tanh", np.tanh, -9, 9, dtypes=INEXACT, ulp=2.5),
    one("arcsinh", np.arcsinh, -50, 50, ulp=2.5),
    one("arccosh", np.arccosh, 1.2, 50, ulp=2.5),
    one("arctanh", np.arctanh, -0.95, 0.95, ulp=2.5),
    one("sinc", _sinc, -0.9, 0.9, avoid=(0.0,), gap=0.2, ulp=3),
    one("erf", _each(math.erf), -4, 4, ulp=3),
    one("erfc", _each(math.erfc), -4, 4, ulp=8),
    one("erfinv", _each(_erfinv), -0.9, 0.9, avoid=(0.0,), gap=0.1, ulp=8),
    one("lgamma", _each(math.lgamma), 3.5, 9, ulp=8),
    one("i0", np.i0, -9, 9, ulp=_BESSEL),
]
