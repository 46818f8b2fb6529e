#!/usr/bin/env python3
"""Fits the tables of csrc/cpu/isa/vmath_{gamma,bessel,tails}.h and prints them as C++ (clang-format does the rest).

    fit_pieces.py [kLgamma kErfcNear ...]

Needs mpmath. A table has a row of points, then a row for each coefficient; a column is an interval. The lowest coefficient
is the value at the point, which is chosen so that this lies close to a float. The others minimise the squared relative
error at Chebyshev nodes; they are rounded to float32 one after another, the rest being fitted again. Prints to stderr the
largest relative error of each table in units of 2^-24.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]
Weight = Callable[[float, float], float]
Fit = tuple[list[float], float]
Columns = Iterator[tuple[int, float, list[float], float]]  # where it goes, point, coefficients, error


def fit(f: Function, low: float, high: float, point: float, value: float | None, degree: int, weight: Weight) -> Fit:
    """The coefficients on [low, high], and the largest weighted error."""
    angles = np.pi * (np.arange(48) + 0.5) / 48
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos(angles)
    nodes = nodes[np.abs(nodes - point) > 1e-9 * (high - low)]
    rest = [f(mp.mpf(float(x))) for x in nodes]
    weights = np.array([weight(x, float(v)) for x, v in zip(nodes, rest, strict=True)])
    reach = max(high - point, point - low)
    powers = np.stack([((nodes - point) / reach) ** j for j in range(degree + 1)], 1)
    coefficients = []
    for j in range(degree + 1):
        if j == 0 and value is not None:
            c = value
        else:
            wanted = np.array([float(v) for v in rest]) * weights
            c = float(
                np.float32(np.linalg.lstsq(powers[:, j:] * weights[:, None], wanted, rcond=None)[0][0] / reach**j)
            )
        coefficients.append(c)
        rest = [v - mp.mpf(c) * (mp.mpf(float(x)) - mp.mpf(point)) ** j for v, x in zip(rest, nodes, strict=True)]
    return coefficients, max(abs(float(v)) * w for v, w in zip(rest, weights, strict=True))


def near_a_float(f: Function, middle: float, width: float) -> tuple[float, float]:
    """A point about the middle of an interval, and its value."""
    step = max(np.spacing(np.float32(middle)), np.float32(width * 1e-5))
    best = (np.inf, 0.0, 0.0)
    for k in range(160):
        point = float(np.float32(middle + (k // 2 + 1) * (1 if k % 2 else -1) * float(step)))
        value = f(mp.mpf(point))
        rounded = np.float32(float(value))
        best = min(
            best, (abs(float(value - mp.mpf(float(rounded)))) / float(np.spacing(abs(rounded))), point, float(rounded))
        )
    return best[1:]


def relative(_: float, value: float) -> float:
    return 1 / max(abs(value), 1e-300)


def half_octaves(f: Function, degree: int, zeros: dict[float, tuple[float, float]]) -> Columns:
    """Bits 22 to 26 of a float pick the interval; `zeros` has the point and value of those that begin there."""
    for exponent_and_bit in range(230, 262):
        low = 2.0 ** (exponent_and_bit // 2 - 127) * (1 + exponent_and_bit % 2 / 2)
        high = low * (4 / 3 if exponent_and_bit % 2 else 1.5)
        point, value = zeros[low] if low in zeros else near_a_float(f, (low + high) / 2, high - low)
        yield exponent_and_bit % 32, point, *fit(f, low, high, point, value, degree, relative)


def multiples(f: Function, step: float, degree: int, weight: Weight = relative, none: Container[int] = ()) -> Columns:
    """Around the multiples of a step."""
    for k in range(32):
        if k in none:
            yield k, k * step, [0.0] * (degree + 1), 0.0
            continue
        point, value = near_a_float(f, k * step, step) if k else (0.0, None)
        yield k, point, *fit(f, max(0, (k - 0.5) * step), (k + 0.5) * step, point, value, degree, weight)


def gelu_slope(a: mp.mpf) -> mp.mpf:
    """At -a."""
    return mp.erfc(a / mp.sqrt(2)) / 2 - a * mp.exp(-a * a / 2) / mp.sqrt(2 * mp.pi)


def gelu_tanh_slope(a: mp.mpf) -> mp.mpf:
    v = 2 * mp.sqrt(2 / mp.pi)
    w = v * mp.mpf("0.044715")
    s = 1 / (1 + mp.exp(v * a + w * a**3))
    return s - a * s * (1 - s) * (v + 3 * w * a * a)


def slope_weight(x: float, value: float) -> float:
    """The slopes have a zero at 0.75."""
    return 1 / max(abs(value), 2.0**-5 if x < 1.1 else 0)


def i1_ratio(a: mp.mpf) -> mp.mpf:
    return mp.besseli(1, a) / a if a else mp.mpf("0.5")


def tables() -> dict[str, Callable[[], Columns]]:
    root = float(np.float32(float(mp.findroot(mp.digamma, 1.4616))))
    at_root = (root, float(mp.digamma(mp.mpf(root))))
    about_1, about_2 = (1.0, 0.0), (2.0, 0.0)
    return {
        "kLgamma": lambda: half_octaves(mp.loggamma, 8, {0.75: about_1, 1.0: about_1, 1.5: about_2, 2.0: about_2}),
        "kDigamma": lambda: half_octaves(mp.digamma, 8, {1.0: at_root, 1.5: at_root}),
        "kTrigamma": lambda: half_octaves(lambda x: mp.zeta(2, x), 8, {}),
        "kI0": lambda: multiples(lambda a: mp.besseli(0, a), 1 / 4, 5),
        "kI1": lambda: multiples(i1_ratio, 1 / 4, 5),
        "kErfcNear": lambda: multiples(mp.erfc, 1 / 8, 6),
        "kLog1pExp": lambda: multiples(lambda a: mp.log1p(mp.exp(-a)), 1 / 4, 5),
        "kGeluSlope": lambda: multiples(gelu_slope, 1 / 4, 6, slope_weight, none=(31,)),
        "kGeluTanhSlope": lambda: multiples(gelu_tanh_slope, 1 / 4, 6, slope_weight, none=(31,)),
    }


def literal(value: float) -> str:
    v = np.float32(value)
    plain = v == 0 or 1e-3 <= abs(v) < 1e6
    return (np.format_float_positional if plain else np.format_float_scientific)(v, unique=True, trim="0") + "f"


def main(names: list[str]) -> None:
    mp.mp.dps = 25
    for name, columns in tables().items():
        if names and name not in names:
            continue
        rows: list[list[float]] = []
        worst = 0.0
        for k, point, coefficients, error in columns():
            rows = rows or [[0.0] * 32 for _ in range(len(coefficients) + 1)]
            worst = max(worst, error)
            for row, value in zip(rows, [point, *coefficients], strict=True):
                row[k] = value
        print(f"{name}: {worst * 2**24:.2f}", file=sys.stderr)
        lines = ",\n".join("    {" + ", ".join(map(literal, row)) + "}" for row in rows)
        print(f"alignas(64) constexpr float {name}[{len(rows)}][32] = {{\n{lines}\n}};")


if __name__ == "__main__":
    main(sys.argv[1:])
