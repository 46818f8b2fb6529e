"""Threaded work beside a busy neighbour: how much slower than one thread it gets, for tahr and PyTorch.

Usage: python bench/python/neighbour.py [--seconds 1.5]

A process that only computes is pinned to one CPU, while a float32 product of 512 x 512 x 512 and a sum of two arrays
of 10^6 run with two threads. Each figure is the mean time of a call (a mean, since stalls are what matters), in
microseconds: one thread alone, two threads alone, two threads beside the neighbour; then the last over the first.
The contestants take turns in processes of their own, so that the idle threads of one do not disturb the other.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

WORK = ("product 512^3", "sum of 10^6")


def measure(library: str, threads: int, seconds: float) -> None:
    """Prints the mean microseconds of each of WORK."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(512, 512)).astype("float32") for _ in range(2))
    x, y = (rng.normal(size=1_000_000).astype("float32") for _ in range(2))
    if library == "tahr":
        import tahr

        a, b, x, y = (tahr.constant(v) for v in (a, b, x, y))
    else:
        import torch

        torch.set_num_threads(threads)
        a, b, x, y = (torch.from_numpy(v) for v in (a, b, x, y))
    means = []
    for call in (lambda: a @ b, lambda: x + y):
        for _ in range(10):
            call()
        calls, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            call()
            calls += 1
        means.append(1e6 * (time.perf_counter() - start) / calls)
    print(*means)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], int(args.measure[1]), args.seconds)
        return

    def times(library: str, threads: int) -> list[float]:
        n = str(threads)
        env = {**os.environ, "TAHR_NUM_THREADS": n, "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n}
        command = [sys.executable, __file__, "--seconds", str(args.seconds), "--measure", library, n]
        return [float(v) for v in subprocess.run(command, env=env, check=True, capture_output=True).stdout.split()]

    cpu = max(os.sched_getaffinity(0))
    busy = f"import os; os.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
    libraries = ("tahr", "torch")
    one, two = ({library: times(library, n) for library in libraries} for n in (1, 2))
    neighbour = subprocess.Popen([sys.executable, "-c", busy])
    try:
        time.sleep(0.2)
        beside = {library: times(library, 2) for library in libraries}
    finally:
        neighbour.kill()
        neighbour.wait()
    print(f"load of the machine {os.getloadavg()[0]:.1f}, neighbour on CPU {cpu}; microseconds per call")
    print(f"{'':<16}{'':<8}{'1 thread':>10}{'2 threads':>11}{'beside':>10}{'ratio':>8}")
    for i, work in enumerate(WORK):
        for library in libraries:
            row = [times_[library][i] for times_ in (one, two, beside)]
            print(f"{work:<16}{library:<8}{row[0]:>10.0f}{row[1]:>11.0f}{row[2]:>10.0f}{row[2] / row[0]:>8.2f}")


if __name__ == "__main__":
    main()
