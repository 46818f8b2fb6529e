"""Convolutions and pools beside PyTorch (oneDNN, channels last), in one process, taking turns.

Usage: python bench/python/conv.py [--threads 1 2] [--seconds 2] [--batch 64] [--only "64->64 on 32x32"]

Prints GFLOP/s (milliseconds for depthwise convolutions and pools, which move more than they compute): the best of many
calls, what an undisturbed machine gives; with our ratio to PyTorch. The last row is a matrix product, for the machine's
speed at that moment. --only picks the rows whose names contain one of its words.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# channels, filters, size, padding, groups
SHAPES = (
    (64, 64, 32, 1, 1),
    (1, 32, 28, 0, 1),
    (32, 64, 13, 0, 1),
    (3, 64, 32, 1, 1),
    (256, 256, 8, 1, 1),
    (64, 64, 32, 1, 64),
)
WAYS = ("forward", "dX", "dW")

Calls = dict[str, Callable[[], Any]]


def best_of(rows: list[Calls], seconds: float) -> list[dict[str, float]]:
    """The least time of each call. Contestants take long turns, after a pause: the threads of a library that has just
    finished spin for a while and would take a core from the next."""
    least = [dict.fromkeys(row, float("inf")) for row in rows]
    for _ in range(3):
        for row, found in zip(rows, least):
            for name, f in row.items():
                time.sleep(0.2)
                f()
                end = time.perf_counter() + seconds / 3
                while time.perf_counter() < end:
                    start = time.perf_counter()
                    f()
                    found[name] = min(found[name], time.perf_counter() - start)
    return least


def run(seconds: float, batch: int, only: list[str]) -> None:
    import numpy as np
    import tahr
    import torch

    threads = int(os.environ["TAHR_NUM_THREADS"])
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    ops = tahr._C.ops
    rng = np.random.default_rng(0)

    def tensor(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype("float32")

    def torch_nchw(a: np.ndarray) -> Any:
        return torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    labels: list[str] = []
    flops: list[float | None] = []
    rows: list[Calls] = []
    for cin, cout, size, pad, groups in SHAPES:
        out = size + 2 * pad - 2
        x, w, dy = tensor(batch, size, size, cin), tensor(3, 3, cin // groups, cout), tensor(batch, out, out, cout)
        at = {"strides": [1, 1], "dilation": [1, 1], "low": [pad] * 2, "high": [pad] * 2, "groups": groups}
        tx, tw, ty = map(tahr.constant, (x, w, dy))
        px, py = torch_nchw(x), torch_nchw(dy)
        pw = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)

        def back(mask: list[bool], a: Any = (py, px, pw), pad: int = pad, groups: int = groups) -> Callable[[], Any]:
            return lambda: torch.ops.aten.convolution_backward(
                *a, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], groups, mask
            )

        rows += [
            {
                "tahr": lambda tx=tx, tw=tw, at=at: ops.conv_forward(tx, tw, **at),
                "torch": lambda px=px, pw=pw, pad=pad, groups=groups: torch.nn.functional.conv2d(
                    px, pw, padding=pad, groups=groups
                ),
            },
            {
                "tahr": lambda ty=ty, tw=tw, at=at, size=size: ops.conv_dx(ty, tw, size=[size, size], **at),
                "torch": back([True, False, False]),
            },
            {
                "tahr": lambda tx=tx, ty=ty, at=at: ops.conv_dw(tx, ty, size=[3, 3], **at),
                "torch": back([False, True, False]),
            },
        ]
        name = f"{cin}->{cout} on {size}x{size}" + (", depthwise" if groups > 1 else "")
        labels += [f"{name} {way}" for way in WAYS]
        flops += [None if groups > 1 else 18e-9 * batch * out * out * cout * cin] * 3
    x = tensor(batch, 26, 26, 32)
    tx, px = tahr.constant(x), torch_nchw(x)
    pool = {"window": [2, 2], "strides": [2, 2], "low": [0, 0], "high": [0, 0]}
    ty = ops.pool_max(tx, **pool)
    py, places = torch.nn.functional.max_pool2d(px, 2, return_indices=True)
    labels += ["max pool of 26x26x32 forward", "max pool of 26x26x32 dX"]
    rows += [
        {"tahr": lambda: ops.pool_max(tx, **pool), "torch": lambda: torch.nn.functional.max_pool2d(px, 2)},
        {
            "tahr": lambda: ops.pool_max_scatter(tx, ty, **pool),
            "torch": lambda: torch.ops.aten.max_pool2d_with_indices_backward(
                py, px, [2, 2], [2, 2], [0, 0], [1, 1], False, places
            ),
        },
    ]
    flops += [None, None]
    square = tahr.constant(tensor(256, 256))
    labels.append("matrix product 256x256x256")
    rows.append({"tahr": lambda: ops.matmul(square, square)})
    flops.append(2e-9 * 256**3)

    print(f"\n{threads} thread(s), {tahr.config.instruction_set()}, float32, batch {batch}")
    print(f"{'':<38}{'tahr':>10}{'torch':>10}{'ratio':>8}")
    asked = [i for i, label in enumerate(labels) if not only or any(words in label for words in only)]
    for i, least in zip(asked, best_of([rows[i] for i in asked], seconds)):
        label, work = labels[i], flops[i]
        shown = [f"{work / t:.1f}" if work else f"{1e3 * t:.3f} ms" for t in least.values()]
        ratio = f"{least['torch'] / least['tahr']:.2f}" if "torch" in least else ""
        print(f"{label:<38}{shown[0]:>10}{shown[1] if len(shown) > 1 else '':>10}{ratio:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORDS")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(args.seconds, args.batch, args.only)
        return
    for n in map(str, args.threads):
        env = {**os.environ, "TAHR_NUM_THREADS": n, "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n}
        command = [sys.executable, __file__, "--run", "--seconds", str(args.seconds), "--batch", str(args.batch)]
        command += ["--only", *args.only] if args.only else []
        subprocess.run(command, env=env, check=True)


if __name__ == "__main__":
    main()
