#!/usr/bin/env python3
"""Prints csrc/cpu/isa/vmath_double_tables.h but for its head and foot (clang-format does the rest). Needs mpmath.

The polynomials go through the function at Chebyshev nodes, in 60 digits, and are rounded to doubles at the end. The largest
relative error of each table, the rounding included, goes to stderr as a power of 2.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]
mp.mp.dps = 60


def fit(f: Function, low: mp.mpf, high: mp.mpf, degree: int, origin: mp.mpf) -> list[float]:
    """Coefficients of powers of x - origin, lowest first."""
    angles = [mp.pi * (2 * k + 1) / (2 * degree + 2) for k in range(degree + 1)]
    at = [(low + high) / 2 + (high - low) / 2 * mp.cos(a) - origin for a in angles]
    newton = [f(x + origin) for x in at]
    for j in range(1, degree + 1):
        for i in range(degree, j - 1, -1):
            newton[i] = (newton[i] - newton[i - 1]) / (at[i] - at[i - j])
    powers = [newton[degree]]
    for i in range(degree - 1, -1, -1):
        shifted = [mp.mpf(0), *powers]
        powers = [s - at[i] * p for s, p in zip(shifted, [*powers, mp.mpf(0)], strict=True)]
        powers[0] += newton[i]
    return [float(p) for p in powers]


def error(f: Function, p: Sequence[float], low: mp.mpf, high: mp.mpf, origin: mp.mpf, whole: Function) -> float:
    points = [low + (high - low) * k / 41 for k in range(42)]
    return max(float(abs((mp.polyval([mp.mpf(c) for c in p[::-1]], x - origin) - f(x)) / whole(x))) for x in points)


def show(name: str, comment: str, rows: Sequence[Sequence[float]]) -> None:
    if comment:
        print(f"// {comment}")
    lines = [
        ", ".join(repr(float(v)).removesuffix("0") if float(v).is_integer() else repr(float(v)) for v in r)
        for r in rows
    ]
    body = lines[0] if len(rows) == 1 else ",\n".join(f"{{{line}}}" for line in lines) + ","
    print(f"alignas(64) constexpr double {name}{f'[{len(rows)}]' if len(rows) > 1 else ''}[16] = {{{body}}};")


def quarters(first: mp.mpf) -> list[tuple[int, mp.mpf, mp.mpf]]:
    """16 quarters of an octave: the four bits that tell them, where they begin and end."""
    intervals, u = [], first
    for _ in range(16):
        octave = mp.floor(mp.log(u, 2) + mp.mpf(10) ** -20)
        width = mp.mpf(2) ** octave / 4
        intervals.append(((int(octave) - 1) % 4 * 4 + round(float((u - 4 * width) / width)), u, u + width))
        u += width
    return intervals


def pieces(name: str, comment: str, f: Function, shift: float, first: float, degree: int) -> None:
    def of_u(u: mp.mpf) -> mp.mpf:
        return f(u - mp.mpf(shift))

    columns, worst = [[0.0] * (degree + 1) for _ in range(16)], 0.0
    for i, low, high in quarters(mp.mpf(first)):
        columns[i] = fit(of_u, low, high, degree, low)
        worst = max(worst, error(of_u, columns[i], low, high, low, of_u))
    print(f"{name} 2^{math.log2(worst):.1f}", file=sys.stderr)
    show(name, comment, [[c[j] for c in columns] for j in range(degree + 1)])


def split(v: mp.mpf, bits: int) -> tuple[mp.mpf, mp.mpf]:
    high = mp.nint(v * mp.mpf(2) ** bits) / mp.mpf(2) ** bits
    return high, v - high


def logarithms() -> None:
    """Each scale is the one of fewest bits with m times it, less 1, exact and smallest at the ends of the interval."""
    scales = [1, 29 / 32, 7 / 8, 13 / 16, 25 / 32, 3 / 4, 23 / 32, 11 / 16]
    scales += [21 / 16, 5 / 4, 39 / 32, 37 / 32, 9 / 8, 35 / 32, 17 / 16, 1]
    show(
        "kScale64",
        "Near the reciprocals of the middles of 16 intervals, [1, 1.5) and then [0.75, 1): with so few bits that "
        "m r - 1 is exact.",
        [scales],
    )
    show(
        "kDownScale", "The same for all of [1, 2): half of it from 1.5 on.", [scales[:8] + [s / 2 for s in scales[8:]]]
    )
    parts = [split(-mp.log(mp.mpf(s), 2) + (i >= 8), 40) for i, s in enumerate(scales)]
    comment = "-log2 of them, 1 more from 0.75 on, where the exponent is 1 less: multiples of 2^-40, and the rest."
    show("kLog2High", comment, [[float(h) for h, _ in parts]])
    show("kLog2Low", "", [[float(low) for _, low in parts]])
    parts = [split(-mp.log(mp.mpf(s)), 42) for s in scales]
    ln2 = mp.mpf(6.93147180369123816490e-01), mp.mpf(1.90821492927058770002e-10)
    parts = [(h + (i >= 8) * ln2[0], low + (i >= 8) * ln2[1]) for i, (h, low) in enumerate(parts)]
    show("kLogHigh", "The natural logarithms likewise.", [[float(h) for h, _ in parts]])
    show("kLogLow", "", [[float(low) for _, low in parts]])


def erf_ratio(a: mp.mpf) -> mp.mpf:
    return mp.erf(a) / a if a else 2 / mp.sqrt(mp.pi)


def bessel_ratio(a: mp.mpf) -> mp.mpf:
    return mp.besseli(1, a) * mp.exp(-a) / a if a else mp.mpf(1) / 2


def erf() -> None:
    width, degree, columns, worst = mp.mpf(25) / 64, 12, [], 0.0
    for k in range(16):
        low, high = max(mp.mpf(0), (k - mp.mpf(1) / 2) * width), (k + mp.mpf(1) / 2) * width
        f: Function = (lambda a: erf_ratio(a) - 1) if k < 5 else (lambda a: -mp.erfc(a) / a)
        columns.append(fit(f, low, high, degree, k * width))
        worst = max(worst, error(f, columns[-1], low, high, k * width, erf_ratio))
    print(f"kErf64 2^{math.log2(worst):.1f}", file=sys.stderr)
    comment = "erf(a) / a - 1 for a < 1.76, -erfc(a) / a beyond: "
    comment += "coefficient j of the interval around 25/64 k is kErf64[j][k]."
    show("kErf64", comment, [[c[j] for c in columns] for j in range(degree + 1)])


def erfinv(w: mp.mpf) -> mp.mpf:
    x = mp.sqrt(-mp.expm1(-w))
    return mp.erfinv(x) / x if w > 0 else mp.sqrt(mp.pi) / 2


def lgamma(y: mp.mpf) -> mp.mpf:
    for root, limit in ((1, mp.euler), (2, 1 - mp.euler)):
        if abs(y - root) < mp.mpf(10) ** -20:
            return limit
    return mp.loggamma(y) / ((y - 1) * (y - 2))


def atan() -> None:
    tables = [[0.0] * 16 for _ in range(4)]
    intervals = quarters(mp.mpf("0.5"))
    for k, (i, low, high) in enumerate(intervals):
        tangent = mp.tan((mp.atan(low - 0.5) + mp.atan(high - 0.5)) / 2)
        c = 0.0 if k == 0 else 1.0 if k == 15 else math.floor(float(tangent) * 256 + 0.5) / 256
        angle = mp.pi / 2 if k == 15 else mp.atan(mp.mpf(c))
        values = float(k < 15), c, float(angle), float(angle - mp.mpf(float(angle)))
        for table, value in zip(tables, values, strict=True):
            table[i] = value
    comment = "atan(a) = A + atan((a s - c) / (a c + s)): s, c and A in two parts, "
    comment += "u = a + 0.5, to u = 8; beyond the last serves."
    for name, about, table in zip(("Sine", "Cosine", "High", "Low"), (comment, "", "", ""), tables, strict=True):
        show(f"kAtan{name}", about, [table])


if __name__ == "__main__":
    half_root, root = mp.sqrt(mp.mpf(2)), mp.findroot(mp.digamma, mp.mpf("1.461632144968362341262659542325721328"))
    logarithms()
    erf()
    pieces("kErfcScaled", "erfc(a) exp(a^2), u = a + 2.", lambda a: mp.erfc(a) * mp.exp(a * a), 2, 2, 14)
    pieces(
        "kNormalScaled",
        "The normal distribution of -a, times exp(a^2 / 2), u = a + 3.",
        lambda a: mp.erfc(a / half_root) * mp.exp(a * a / 2) / 2,
        3,
        3,
        14,
    )
    pieces("kErfinv", "erfinv(x) / x, u = 2.5 - log(1 - x^2).", erfinv, 2.5, 2.5, 12)
    pieces("kBessel0", "I0(a) exp(-a), u = a + 2.", lambda a: mp.besseli(0, a) * mp.exp(-a), 2, 2, 14)
    pieces("kBessel1", "I1(a) exp(-a) / a, u = a + 2.", bessel_ratio, 2, 2, 14)
    pieces("kLgamma", "lgamma(y) / ((y - 1) (y - 2)), u = y + 0.25, from 0.75 on.", lgamma, 0.25, 1, 13)
    pieces("kDigamma", "digamma(y) / (y - its root), u = y, from 1 on.", lambda y: mp.digamma(y) / (y - root), 0, 1, 13)
    pieces("kTrigamma", "trigamma(y), u = y, from 1 on.", lambda y: mp.polygamma(1, y), 0, 1, 14)
    atan()
