"""Elementwise ops at 10^7 float32 elements beside NumPy and PyTorch, in one process, taking turns.

Usage: python bench/python/elementwise.py [--threads 1 2] [--size 10000000] [--repeats 15] [--ops erf gelu]

PyTorch and NumPy write into arrays that exist already, which spares them the page faults of a fresh result; tahr makes
a fresh result each time. The last column is the bytes read and written over our time, as a share of the same figure
of the faster of NumPy's and PyTorch's copy.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def best(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The least time of each contestant in milliseconds, over three turns of `repeats` runs. A pause before each turn:
    the threads of a library that has just finished spin for a while and would take a core from the next."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(3):
        for name, f in calls.items():
            time.sleep(0.25)
            for _ in range(repeats):
                start = time.perf_counter()
                f()
                least[name] = min(least[name], 1e3 * (time.perf_counter() - start))
    return least


def run(size: int, repeats: int, only: list[str]) -> None:
    import numpy as np
    import tahr
    import torch
    from tahr import ops

    threads = int(os.environ["TAHR_NUM_THREADS"])
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(size, dtype=np.float32) for _ in range(2))
    c = np.abs(a)
    x, y, z = tahr.constant(a), tahr.constant(b), tahr.constant(c)
    r = torch.from_numpy(c)
    p, q, n, out = torch.from_numpy(a), torch.from_numpy(b), np.empty_like(a), torch.empty(size)

    copy = min(best({"numpy": lambda: np.copyto(n, a), "torch": lambda: out.copy_(p)}, repeats).values())
    bandwidth = 8e-6 * size / copy
    print(f"{threads} thread(s), copy {copy:.2f} ms = {bandwidth:.1f} GB/s")
    print(f"{'op':10} {'bytes':>5} {'tahr ms':>9} {'numpy ms':>9} {'torch ms':>9} {'of copy':>8}")
    rows: list[tuple[str, int, Callable[[], Any], Callable[[], Any] | None, Callable[[], Any]]] = [
        ("add", 12, lambda: x + y, lambda: np.add(a, b, out=n), lambda: torch.add(p, q, out=out)),
        ("x * 2.0", 8, lambda: x * 2.0, lambda: np.multiply(a, 2, out=n), lambda: torch.mul(p, 2.0, out=out)),
        (
            "maximum",
            12,
            lambda: ops.maximum(x, y),
            lambda: np.maximum(a, b, out=n),
            lambda: torch.maximum(p, q, out=out),
        ),
        ("relu", 8, lambda: ops.relu(x), lambda: np.maximum(a, 0, out=n), lambda: torch.clamp(p, min=0, out=out)),
        ("exp", 8, lambda: ops.exp(x), lambda: np.exp(a, out=n), lambda: torch.exp(p, out=out)),
        ("tanh", 8, lambda: ops.tanh(x), lambda: np.tanh(a, out=n), lambda: torch.tanh(p, out=out)),
        ("sigmoid", 8, lambda: ops.sigmoid(x), None, lambda: torch.sigmoid(p, out=out)),
        ("log", 8, lambda: ops.log(z), lambda: np.log(c, out=n), lambda: torch.log(r, out=out)),
        ("log1p", 8, lambda: ops.log1p(z), lambda: np.log1p(c, out=n), lambda: torch.log1p(r, out=out)),
        ("sin", 8, lambda: ops.sin(x), lambda: np.sin(a, out=n), lambda: torch.sin(p, out=out)),
        ("erf", 8, lambda: ops.erf(x), None, lambda: torch.erf(p, out=out)),
        ("gelu", 8, lambda: ops.gelu(x), None, lambda: torch.nn.functional.gelu(p, approximate="tanh")),
    ]
    for name, moved, ours, numpy, theirs in rows:
        if only and name not in only:
            continue
        calls = {"tahr": ours, "torch": theirs}
        if numpy is not None:
            calls["numpy"] = numpy
        t = best(calls, repeats)
        share = 1e-6 * moved * size / t["tahr"] / bandwidth
        print(
            f"{name:10} {moved:5} {t['tahr']:9.2f} {t.get('numpy', float('nan')):9.2f} {t['torch']:9.2f} {share:8.0%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--ops", nargs="+", default=[], help="rows to run; all if not given")
    args = parser.parse_args()
    if "TAHR_NUM_THREADS" in os.environ and len(args.threads) == 1:
        return run(args.size, args.repeats, args.ops)
    for threads in args.threads:  # one process each: thread counts are read once, at the start
        env = {**os.environ, "TAHR_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        own = [f"--threads={threads}", f"--size={args.size}", f"--repeats={args.repeats}"]
        own += ["--ops", *args.ops] if args.ops else []
        subprocess.run([sys.executable, __file__, *own], env=env, check=True)


if __name__ == "__main__":
    main()
