"""Reductions at 1e7 float32 elements beside a copy; softmax and some of them beside NumPy and PyTorch, in one run.

Usage: python bench/python/reduce.py [THREADS] [--only shares|peers] [--rows WORDS] [--ops WORDS]

First a table of shares: the bytes that an op reads and writes per second, in percent of what the faster of NumPy's and
PyTorch's copies moves with as many threads; each of its lines measures that copy anew, since memory has faster and
slower minutes. Then the best times of a few ops, and how many times as long the others took. PyTorch is left out if it
is not installed. --rows and --ops pick lines and columns of the table that contain one of the given words.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tahr
from tahr import ops

try:
    import torch
except ImportError:
    torch = None

COUNT = 10_000_000
OPS = (
    *("sum", "mean", "prod", "max", "min", "argmax", "argmin", "any", "all", "count_nonzero"),
    *("var", "std", "norm", "logsumexp"),
)
LAYOUTS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((COUNT,), None),
    *(((COUNT // n, n), 1) for n in (3, 5, 10, 16, 30, 64, 100, 300, 1000, 10000)),
    *(((COUNT // n, n), 0) for n in (3, 10, 100, 1000, 10000)),
    ((100, 1000, 100), 1),
    ((100, 1000, 100), (0, 2)),
    ((1000, 10, 1000), 1),
    ((10, 1000, 1000), 0),
)


def best(f: Callable[[], Any], seconds: float = 0.4) -> float:
    f()
    times = []
    deadline = time.perf_counter() + seconds
    while len(times) < 5 or (time.perf_counter() < deadline and len(times) < 50):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def copy_seconds(x: np.ndarray, seconds: float = 0.4) -> float:
    to = np.empty_like(x)
    times = [best(lambda: np.copyto(to, x), seconds)]
    if torch:
        source, target = torch.from_numpy(x), torch.from_numpy(to)
        times.append(best(lambda: target.copy_(source), seconds))
    return min(times)


def argument(name: str, x: np.ndarray) -> tahr.Tensor:
    """What the op reads to the end: no early exit for `any`, no product that leaves the normal numbers."""
    if name == "any":
        return tahr.constant(np.zeros_like(x))
    if name == "prod":
        return tahr.constant(1 + x / 1000)
    return tahr.constant(x)


def chosen(words: Sequence[str] | None, name: str) -> bool:
    return not words or any(w in name for w in words)


def shares(x: np.ndarray, rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    names = [name for name in OPS if not columns or name in columns]
    print("percent of the copy's bandwidth\n" + f"{'':<27}{'GB/s':>6}" + "".join(f"{n[:8]:>9}" for n in names))
    for shape, axis in LAYOUTS:
        line = f"{shape} {axis}".replace(" ", "")
        if not chosen(rows, line):
            continue
        copy = 2 * x.nbytes / copy_seconds(x, 0.2)
        cells = []
        for name in names:
            if (name.startswith("arg") and isinstance(axis, tuple)) or (name == "norm" and len(shape) > 2):
                cells.append("")
                continue
            f, t = getattr(ops, name), argument(name, x[: math.prod(shape)].reshape(shape))
            moved = t.size * 4 + np.asarray(f(t, axis=axis)).nbytes
            cells.append(f"{moved / best(lambda f=f, t=t, axis=axis: f(t, axis=axis), 0.1) / copy:.0%}"[:-1])
        print(f"{line:<27}{copy / 1e9:>6.1f}" + "".join(f"{c:>9}" for c in cells), flush=True)


def row(name: str, nbytes: int, ours: Callable[[], Any], *others: Callable[[], Any] | None) -> None:
    t = best(ours)
    ratios = "".join(f"{best(f) / t:>9.2f}" if f else f"{'':>9}" for f in others)
    print(f"{name:<34}{t * 1e3:>10.3f}{ratios}{nbytes / t / 1e9:>9.1f}", flush=True)


def beside_peers(x: np.ndarray, rng: np.random.Generator) -> None:
    print(f"{'':<34}{'ms':>10}{'NumPy':>9}{'PyTorch':>9}{'GB/s':>9}")
    to = np.empty_like(x)
    row("copy", 2 * x.nbytes, lambda: np.copyto(to, x))
    for shape, axis in (
        ((COUNT,), None),
        ((COUNT // 1000, 1000), 1),
        ((COUNT // 1000, 1000), 0),
        ((COUNT // 10, 10), 1),
        ((COUNT // 10, 10), 0),
        ((100, 1000, 100), 1),
        ((100, 1000, 100), (0, 2)),
    ):
        a = x.reshape(shape)
        t, other = tahr.constant(a), torch.from_numpy(a) if torch else None
        for name in ("sum", "max", "var", "argmax", "logsumexp"):
            if name == "argmax" and isinstance(axis, tuple):
                continue
            numpy = getattr(np, name, None)
            theirs = {"max": "amax"}.get(name, name)
            dim = tuple(range(a.ndim)) if axis is None and theirs in ("amax", "logsumexp") else axis
            row(
                f"{name} {shape} {axis}",
                a.nbytes,
                lambda name=name, t=t, axis=axis: getattr(ops, name)(t, axis=axis),
                (lambda f=numpy, a=a, axis=axis: f(a, axis=axis)) if numpy else None,
                (lambda f=theirs, other=other, dim=dim: getattr(torch, f)(other, dim=dim)) if torch else None,
            )

    for shape in ((COUNT // 1000, 1000), (COUNT // 10, 10), (256, 10)):
        a = x[: shape[0] * shape[1]].reshape(shape)
        labels = rng.integers(0, shape[1], shape[0])
        t, target = tahr.constant(a), tahr.constant(labels)
        other, other_target = (torch.from_numpy(a), torch.from_numpy(labels)) if torch else (None, None)
        row(
            f"softmax {shape}",
            2 * a.nbytes,
            lambda t=t: ops.softmax(t),
            None,
            (lambda other=other: torch.softmax(other, 1)) if torch else None,
        )
        row(
            f"sparse cross-entropy {shape}",
            a.nbytes,
            lambda t=t, target=target: ops.sparse_softmax_cross_entropy(t, target),
            None,
            (lambda o=other, y=other_target: torch.nn.functional.cross_entropy(o, y, reduction="none"))
            if torch
            else None,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("threads", nargs="?", type=int, default=1)
    parser.add_argument("--only", choices=("shares", "peers"))
    parser.add_argument("--rows", nargs="*")
    parser.add_argument("--ops", nargs="*")
    args = parser.parse_args()
    tahr.config.set_num_threads(args.threads)
    if torch:
        torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(COUNT, dtype=np.float32)
    print(f"{args.threads} thread(s)")
    if args.only != "peers":
        shares(x, args.rows, args.ops)
    if args.only != "shares":
        beside_peers(x, rng)


if __name__ == "__main__":
    main()
