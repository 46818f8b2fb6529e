"""Reductions, softmax and cross-entropy beside NumPy and PyTorch, in one run.

Usage: python bench/python/reduce.py [THREADS]    (1 if not given; NumPy always uses one)

Prints the best time of each, how many times as long the others took, and the bytes read (and written) per second
beside those of a copy. PyTorch is left out if it is not installed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tahr
from tahr import ops

try:
    import torch
except ImportError:
    torch = None

COUNT = 10_000_000


def best(f: Callable[[], Any]) -> float:
    f()
    times = []
    deadline = time.perf_counter() + 0.4
    while len(times) < 5 or (time.perf_counter() < deadline and len(times) < 50):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def row(name: str, nbytes: int, ours: Callable[[], Any], *others: Callable[[], Any] | None) -> None:
    t = best(ours)
    ratios = "".join(f"{best(f) / t:>9.2f}" if f else f"{'':>9}" for f in others)
    print(f"{name:<34}{t * 1e3:>10.3f}{ratios}{nbytes / t / 1e9:>9.1f}")


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    tahr.config.set_num_threads(threads)
    if torch:
        torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(COUNT, dtype=np.float32)
    to = np.empty_like(x)
    print(f"{threads} thread(s)\n{'':<34}{'ms':>10}{'NumPy':>9}{'PyTorch':>9}{'GB/s':>9}")
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


if __name__ == "__main__":
    main()
