"""Elementwise ops at 10^7 float32 elements beside NumPy and PyTorch, in one process, taking turns.

Usage: python bench/python/elementwise.py [--threads 1 2] [--size 10000000] [--repeats 15] [--ops erf gelu]
       python bench/python/elementwise.py --all [--dtypes float32] [--ops ...]

PyTorch and NumPy write into arrays that exist already, which spares them the page faults of a fresh result; tahr makes
a fresh result each time. The last column is the bytes read and written over our time, as a share of the same figure
of the faster of NumPy's and PyTorch's copy.

With `--all`: every elementwise op of the table, float32 and where they differ other dtypes too, ours alone. What is
below 90% of the copy is marked.
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


# Ops by the inputs they are measured on, which `sweep` makes: x and y normal, c = |x|, u in (-1, 1), v from 1 on,
# i and j integers from 1 to 100, p and q bools.
_SWEEP = {
    "float32 float64 x y": "add subtract multiply divide divide_no_nan floor_divide mod fmod maximum minimum fmax fmin "
    "hypot copysign heaviside nextafter equal less greater_equal logaddexp logaddexp2 arctan2 "
    "tanh_grad sigmoid_grad silu_grad gelu_grad leaky_relu_grad",
    "float32 float64 c y": "power",
    "float32 float64 x": "negative absolute sign square cbrt reciprocal deg2rad floor ceil trunc rint angle nan_to_num "
    "isnan isinf isfinite isposinf isneginf signbit exp exp2 expm1 sin cos tan arctan sinh cosh tanh arcsinh sinc "
    "erf erfc i0 i1 relu relu6 leaky_relu elu celu selu gelu sigmoid log_sigmoid softplus silu mish softsign "
    "hard_sigmoid hard_silu hard_tanh hard_shrink soft_shrink tanh_shrink squareplus sparse_plus "
    "sparse_sigmoid logical_not",
    "float32 float64 c": "sqrt rsqrt log log2 log10 log1p lgamma digamma trigamma",
    "float32 float64 u": "arcsin arccos arctanh erfinv",
    "float32 float64 v": "arccosh",
    "int32 int64 uint8 i j": "add subtract multiply maximum minimum floor_divide mod fmod equal less bitwise_and "
    "bitwise_or bitwise_xor left_shift right_shift gcd lcm power",
    "int32 int64 uint8 i": "negative absolute sign square bitwise_not relu",
    "bool p q": "add logical_and logical_or logical_xor equal bitwise_and",
    "bool p": "logical_not",
}
_CASTS = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


def _width(t: Any) -> int:
    """Bytes of one element."""
    name = str(t.dtype)
    return 1 if name == "bool" else int(name.lstrip("abfilnotu")) // 8


def sweep(size: int, only: list[str], dtypes: list[str]) -> None:
    import numpy as np
    import tahr
    import torch
    from tahr import _C, ops

    threads = int(os.environ["TAHR_NUM_THREADS"])
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    a = rng.standard_normal(size, dtype=np.float32)
    arrays = {"x": a, "y": rng.standard_normal(size, dtype=np.float32), "c": np.abs(a), "v": 1 + 3 * np.abs(a)}
    arrays |= {"u": rng.uniform(-0.999, 0.999, size), "p": a > 0, "q": rng.integers(0, 2, size) > 0}
    arrays |= {name: rng.integers(1, 100, size) for name in "ij"}

    calls: list[tuple[str, str, str, Callable[..., Any]]] = []
    for on, names in _SWEEP.items():
        letters = " ".join(word for word in on.split() if len(word) == 1)
        for dtype in on.split()[: -len(letters.split())]:
            calls += [(name, dtype, letters, getattr(_C.ops, name)) for name in names.split()]
    for dtype in ("float32", "float64", "int32", "int64", "uint8", "bool"):
        calls.append(("where", dtype, "p x y", ops.where))
    for dtype in ("float32", "float64", "int32"):
        calls += [("clip(-1, 1)", dtype, "x", lambda x: ops.clip(x, -1, 1)), ("x + 2", dtype, "x", lambda x: x + 2)]
        calls += [("x // 3", dtype, "i", lambda x: x // 3), ("x % 3", dtype, "i", lambda x: x % 3)]
        calls.append(("x < 1", dtype, "x", lambda x: x < 1))
    for dtype in ("float32", "float64"):
        for e in (2, 3, 4, 0.5, -0.5, -1, -2, 1.5, 2.4, 1 / 3):
            calls.append((f"x ** {e:.3g}", dtype, "c", lambda x, e=e: x**e))
        calls += [("2.5 ** x", dtype, "x", lambda x: 2.5**x), ("1 / x", dtype, "x", lambda x: 1 / x)]
        calls += [("threshold", dtype, "x", lambda x: ops.threshold(x, 0.5, 0.0))]
        calls += [("round(x, 2)", dtype, "x", lambda x: ops.round(x, 2))]
        calls += [("gelu tanh", dtype, "x", lambda x: ops.gelu(x, approximate=True))]
        calls += [("gelu erf", dtype, "x", lambda x: ops.gelu(x, approximate=False))]
        calls += [("gelu_grad erf", dtype, "x y", lambda x, y: _C.ops.gelu_grad(x, y, approximate=False))]
        calls += [("ldexp", dtype, "x int32:i", _C.ops.ldexp)]
        calls += [("elu_grad", dtype, "x y", lambda x, y: _C.ops.elu_grad(x, y, 1.0, 1.0, 1.0))]
    calls += [
        (f"to {to}", dtype, "i", lambda x, to=to: ops.cast(x, to)) for dtype in _CASTS for to in _CASTS if to != dtype
    ]
    for half in ("float16", "bfloat16"):
        calls += [("add", half, "x y", ops.add), ("tanh", half, "x", ops.tanh)]

    target, source = np.empty_like(a), a
    out, given = torch.from_numpy(target), torch.from_numpy(source)

    def least(f: Callable[[], Any], seconds: float) -> float:
        f()
        best, spent = float("inf"), 0.0
        while spent < seconds:
            start = time.perf_counter()
            f()
            spent += (taken := time.perf_counter() - start)
            best = min(best, taken)
        return 1e3 * best

    below, made = 0, dict[tuple[str, str], Any]()
    print(f"{threads} thread(s)\n{'op':15} {'dtype':9} {'bytes':>5} {'ms':>9} {'GB/s':>6} {'copy':>6} {'of copy':>8}")
    for name, dtype, letters, f in calls:
        if only and name not in only or dtypes and dtype not in dtypes:
            continue
        inputs = []
        for letter in letters.split():
            kind, _, letter = letter.rpartition(":")
            key = letter, "bool" if letter in "pq" else kind or dtype
            if key not in made:
                made = {k: t for k, t in made.items() if k[1] in (dtype, "bool")}
                made[key] = ops.cast(tahr.constant(arrays[letter]), key[1])
            inputs.append(made[key])
        moved = size * (sum(_width(t) for t in inputs) + _width(f(*inputs)))
        ours = copied = float("inf")
        for _ in range(3):  # the speed of memory wanders where others share the machine: both side by side
            ours = min(ours, least(lambda f=f, inputs=inputs: f(*inputs), 0.04))
            copied = min(copied, least(lambda: np.copyto(target, source), 0.02), least(lambda: out.copy_(given), 0.02))
        rate, most = 1e-6 * moved / ours, 8e-6 * size / copied
        below += rate < 0.9 * most
        mark = "" if rate >= 0.9 * most else "  below"
        print(
            f"{name:15} {dtype:9} {moved // size:5} {ours:9.2f} {rate:6.1f} {most:6.1f} {rate / most:8.0%}{mark}",
            flush=True,
        )
    print(f"{below} below 90%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--ops", nargs="+", default=[], help="rows to run; all if not given")
    parser.add_argument("--all", action="store_true", help="every op of the table, ours alone")
    parser.add_argument("--dtypes", nargs="+", default=[], help="with --all: of inputs; all if not given")
    args = parser.parse_args()
    if "TAHR_NUM_THREADS" in os.environ and len(args.threads) == 1:
        return sweep(args.size, args.ops, args.dtypes) if args.all else run(args.size, args.repeats, args.ops)
    for threads in args.threads:  # one process each: thread counts are read once, at the start
        env = {**os.environ, "TAHR_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        own = [f"--threads={threads}", f"--size={args.size}", f"--repeats={args.repeats}"]
        own += ["--all", *(["--dtypes", *args.dtypes] if args.dtypes else [])] if args.all else []
        own += ["--ops", *args.ops] if args.ops else []
        subprocess.run([sys.executable, __file__, *own], env=env, check=True)


if __name__ == "__main__":
    main()
