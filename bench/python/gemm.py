"""Matrix products beside NumPy (OpenBLAS) and PyTorch (MKL), in one process, taking turns.

Usage: python bench/python/gemm.py [--threads 1 2] [--seconds 0.4] [--filter TEXT]

Rows: square products, and those of a dense layer (batch x in x out) with its backward forms dW = x^T dy and dX = dy W^T.
Prints GFLOP/s (the best of many short runs, what an undisturbed machine gives) and our ratio to the faster peer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SQUARES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
LAYERS = ((32, 784, 300), (32, 300, 100), (32, 100, 10), (256, 784, 300), (17, 500, 96), (100, 1000, 500))


def best(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The least time per call of each contestant. Turns are long, with a pause before each: the threads of a library
    that has just finished spin for up to 0.2 s and would take a core from the next."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(3):
        for name, f in calls.items():
            time.sleep(0.25 if len(calls) > 1 else 0)
            f()
            start = time.perf_counter()
            f()
            inner = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-7)))
            end = time.perf_counter() + seconds / 3
            while time.perf_counter() < end:
                start = time.perf_counter()
                for _ in range(inner):
                    f()
                least[name] = min(least[name], (time.perf_counter() - start) / inner)
    return least


def run(seconds: float, text: str) -> None:
    import numpy as np
    import tahr
    import torch

    threads = int(os.environ["TAHR_NUM_THREADS"])
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    print(f"\n{threads} thread(s), {tahr.config.instruction_set()}, float32, GFLOP/s")
    print(f"{'product':<26}{'tahr':>8}{'numpy':>8}{'torch':>8}{'ratio':>8}")
    problems = [(f"{n}x{n}x{n}", n, n, n, False, False) for n in SQUARES]
    for b, i, o in LAYERS:
        problems += [
            (f"{b}x{i}x{o} forward", b, i, o, False, False),
            (f"{b}x{i}x{o} dW", i, b, o, True, False),
            (f"{b}x{i}x{o} dX", b, o, i, False, True),
        ]
    for label, m, k, n, ta, tb in problems:
        if text not in label:
            continue
        a = rng.normal(size=(k, m) if ta else (m, k)).astype("float32")
        b = rng.normal(size=(n, k) if tb else (k, n)).astype("float32")
        x, y = tahr.constant(a), tahr.constant(b)
        p, q = torch.from_numpy(a), torch.from_numpy(b)
        an, bn = a.T if ta else a, b.T if tb else b
        pt, qt = p.T if ta else p, q.T if tb else q
        matmul = tahr._C.ops.matmul
        least = best(
            {
                "tahr": lambda x=x, y=y, ta=ta, tb=tb, matmul=matmul: matmul(x, y, transpose_a=ta, transpose_b=tb),
                "numpy": lambda an=an, bn=bn: an @ bn,
                "torch": lambda pt=pt, qt=qt: pt @ qt,
            },
            seconds,
        )
        flops = {name: 2 * m * n * k / t / 1e9 for name, t in least.items()}
        ratio = flops["tahr"] / max(flops["numpy"], flops["torch"])
        print(f"{label:<26}{flops['tahr']:>8.1f}{flops['numpy']:>8.1f}{flops['torch']:>8.1f}{ratio:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--filter", default="", help="only the products whose name contains this")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(args.seconds, args.filter)
        return
    for n in map(str, args.threads):
        env = {
            **os.environ,
            "TAHR_NUM_THREADS": n,
            "OMP_NUM_THREADS": n,
            "OPENBLAS_NUM_THREADS": n,
            "MKL_NUM_THREADS": n,
        }
        options = ["--seconds", str(args.seconds), "--filter", args.filter]
        subprocess.run([sys.executable, __file__, "--run", *options], env=env, check=True)


if __name__ == "__main__":
    main()
