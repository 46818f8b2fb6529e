"""Speed on a GPU beside PyTorch and JAX: one contestant's works, or a table of what all of them reached.

Usage:
    python bench/python/gpu.py --who tahr --results results.jsonl        # torch, torch-compiled, torch-graphs, jax
    python bench/python/gpu.py --report results.jsonl --logs DIR         # markdown
Each figure is written as soon as it is there. `bench/gpu.sh` calls this. A work's time is that of the fastest of several
runs of many calls each, the device's queue being waited for at the end of a run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

COPY = "negative, a copy's bytes"
WHO = ("tahr", "torch", "torch-compiled", "torch-graphs", "jax")


class Sizes(NamedTuple):
    gemm: int = 8192
    copy: int = 1 << 28  # elements
    adam: int = 1 << 26
    batch: int = 128
    rows: int = 128 * 200  # of the data of small models
    conv_batch: int = 128
    conv_scale: int = 1  # images and channels are divided by it
    lstm: tuple[int, int, int] = (64, 128, 512)  # batch, steps, units
    block: tuple[int, int, int] = (32, 512, 1024)  # batch, tokens, width
    seconds: float = 0.4  # of a run


TINY = Sizes(64, 1 << 12, 1 << 10, 8, 32, 2, 16, (2, 4, 8), (2, 8, 16), 0.0)
# Of ResNet-50: image, channels in, filters, kernel, stride.
CONVS = ((56, 64, 64, 3, 1), (28, 128, 128, 3, 1), (14, 256, 256, 3, 1), (56, 256, 64, 1, 1), (28, 256, 256, 3, 2))


def convolutions(s: Sizes) -> Iterator[tuple[int, int, int, int, int]]:
    """Those of CONVS at the scale of the run."""
    for i, c, f, k, st in CONVS:
        yield max(i // s.conv_scale, 4), max(c // s.conv_scale, 2), max(f // s.conv_scale, 2), k, st


class Work(NamedTuple):
    name: str
    flops: float = 0  # per call
    bytes: float = 0
    kind: str = "fp32"  # which peak bounds it


def works(s: Sizes) -> dict[str, Work]:
    n, batch = s.gemm, s.batch
    conv = sum(2 * s.conv_batch * (i / st) ** 2 * c * f * k * k for i, c, f, k, st in convolutions(s))
    b, t, u = s.lstm
    bb, bt, bw = s.block
    block = 3 * 2 * bb * bt * (4 * bw * bw + 2 * bt * bw + 8 * bw * bw)
    found = [
        Work(COPY, bytes=8.0 * s.copy),
        Work("elementwise tanh(a*b+c)", bytes=16.0 * s.copy),
        Work("gemm bf16", 2.0 * n**3, kind="bf16"),
        Work("gemm tf32", 2.0 * n**3, kind="tf32"),
        Work("gemm fp32", 2.0 * n**3),
        Work("conv bf16 forward", conv, kind="bf16"),
        Work("conv bf16 forward+backward", 3 * conv, kind="bf16"),
        Work("adam", bytes=28.0 * s.adam),
        Work("mlp step", 6.0 * batch * (784 * 512 + 512 * 512 + 5120)),
        Work("cnn step", 6.0 * batch * (26 * 26 * 9 * 32 + 11 * 11 * 9 * 32 * 64 + 1600 * 10)),
        Work("lstm step", 6.0 * b * t * 8 * u * u),
        Work("transformer block bf16 step", block, kind="bf16"),
    ]
    return {w.name: w for w in found}


def measure(call: Callable[[], Any], wait: Callable[[], Any], seconds: float) -> float:
    """Seconds of one call."""
    for _ in range(3):
        call()
    wait()
    count, best = 1, float("inf")
    for _ in range(40):
        begin = time.perf_counter()
        for _ in range(count):
            call()
        wait()
        taken = time.perf_counter() - begin
        if taken >= seconds / 4:
            best = min(best, taken / count)
            if taken * 3 >= seconds:
                break
        count = max(count + 1, min(count * 8, int(count * seconds / 3 / max(taken, 1e-6)) + 1))
    for _ in range(2):
        begin = time.perf_counter()
        for _ in range(count):
            call()
        wait()
        best = min(best, (time.perf_counter() - begin) / count)
    return best


# ---- tahr ----


def tahr_works(s: Sizes) -> Iterator[tuple[str, Callable[[], float]]]:
    import tahr
    from tahr import keras, ops

    numbers = np.random.default_rng(1).standard_normal(1_000_003, "float32")

    def wait() -> None:
        tahr.config.synchronize()

    def timed(call: Callable[[], Any]) -> float:
        return measure(call, wait, s.seconds)

    def random(*shape: int, dtype: str = "float32") -> Any:
        x = ops.cast(tahr.constant(np.resize(numbers, shape)), dtype)
        if "gpu" not in str(x.device).lower():
            raise RuntimeError(f"the data lie on {x.device}, not on a GPU")
        return x

    def negative() -> float:
        x = ops.zeros((s.copy,), "float32")
        return timed(lambda: ops.negative(x))

    def elementwise() -> float:
        a, b, c = (random(s.copy) for _ in range(3))
        f = tahr.function(lambda a, b, c: ops.tanh(a * b + c))
        return timed(lambda: f(a, b, c))

    def gemm(dtype: str, tf32: bool) -> Callable[[], float]:
        def run() -> float:
            tahr.config.enable_tensor_float_32_execution(tf32)
            a, b = random(s.gemm, s.gemm, dtype=dtype), random(s.gemm, s.gemm, dtype=dtype)
            try:
                return timed(lambda: ops.matmul(a, b))
            finally:
                tahr.config.enable_tensor_float_32_execution(False)

        return run

    def conv(backward: bool) -> Callable[[], float]:
        def run() -> float:
            total = 0.0
            for i, c, f, k, st in convolutions(s):
                x, w = random(s.conv_batch, i, i, c, dtype="bfloat16"), random(k, k, c, f, dtype="bfloat16")

                def call(x: Any = x, w: Any = w, st: int = st) -> Any:
                    if not backward:
                        return ops.conv(x, w, strides=st, padding="same")
                    with tahr.GradientTape() as tape:
                        tape.watch([x, w])
                        y = ops.conv(x, w, strides=st, padding="same")
                    return tape.gradient(y, [x, w])

                total += timed(call)
            return total

        return run

    def adam() -> float:
        variables = [keras.Variable(random(s.adam // 8)) for _ in range(8)]
        slopes = [random(s.adam // 8) for _ in range(8)]
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(variables)
        return timed(lambda: optimizer.apply(slopes, variables))

    def fitted(model: Any, x: np.ndarray, y: np.ndarray, batch: int, loss: Any) -> float:
        """Seconds of a training step in `fit`."""
        model.compile("adam", loss)
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
        steps, best = len(x) // batch, float("inf")
        for _ in range(4 if s.seconds else 1):
            begin = time.perf_counter()
            model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
            best = min(best, (time.perf_counter() - begin) / steps)
        return best

    labels = "sparse_categorical_crossentropy"
    rng = np.random.default_rng(0)

    def mlp() -> float:
        x, y = rng.standard_normal((s.rows, 784), "float32"), rng.integers(0, 10, s.rows)
        layers = [keras.layers.Dense(512, "relu"), keras.layers.Dense(512, "relu"), keras.layers.Dense(10, "softmax")]
        return fitted(keras.Sequential([keras.Input((784,)), *layers]), x, y, s.batch, labels)

    def cnn() -> float:
        x, y = rng.standard_normal((s.rows, 28, 28, 1), "float32"), rng.integers(0, 10, s.rows)
        layers = [keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.MaxPooling2D()]
        layers += [keras.layers.Conv2D(64, 3, activation="relu"), keras.layers.MaxPooling2D()]
        layers += [keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
        return fitted(keras.Sequential([keras.Input((28, 28, 1)), *layers]), x, y, s.batch, labels)

    def lstm() -> float:
        b, t, u = s.lstm
        x, y = rng.standard_normal((b * 20, t, u), "float32"), rng.standard_normal((b * 20, u), "float32")
        return fitted(keras.Sequential([keras.Input((t, u)), keras.layers.LSTM(u)]), x, y, b, "mse")

    def block() -> float:
        b, t, w = s.block
        x, y = rng.standard_normal((b * 10, t, w), "float32"), rng.standard_normal((b * 10, t, w), "float32")
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        try:
            at = keras.Input((t, w))
            h = keras.layers.LayerNormalization()(at)
            h = at + keras.layers.MultiHeadAttention(8 if w >= 64 else 2, w // (8 if w >= 64 else 2))(h, h)
            g = keras.layers.Dense(4 * w, "gelu")(keras.layers.LayerNormalization()(h))
            return fitted(keras.Model(at, h + keras.layers.Dense(w)(g)), x, y, b, "mse")
        finally:
            keras.mixed_precision.set_global_policy("float32")

    yield from {
        "mlp step": mlp,
        "gemm bf16": gemm("bfloat16", False),
        "gemm tf32": gemm("float32", True),
        "gemm fp32": gemm("float32", False),
        COPY: negative,
        "elementwise tanh(a*b+c)": elementwise,
        "adam": adam,
        "cnn step": cnn,
        "conv bf16 forward": conv(False),
        "conv bf16 forward+backward": conv(True),
        "lstm step": lstm,
        "transformer block bf16 step": block,
    }.items()


# ---- PyTorch ----


def torch_works(s: Sizes, mode: str) -> Iterator[tuple[str, Callable[[], float]]]:
    import torch
    from torch import nn

    here = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def wait() -> None:
        if here.type == "cuda":
            torch.cuda.synchronize()

    def timed(call: Callable[[], Any]) -> float:
        return measure(call, wait, s.seconds)

    def random(*shape: int, dtype: Any = torch.float32) -> Any:
        return torch.randn(*shape, device=here).to(dtype)

    def negative() -> float:
        x = torch.zeros(s.copy, device=here)
        return timed(lambda: -x)

    def elementwise() -> float:
        a, b, c = (random(s.copy) for _ in range(3))
        f = torch.compile(lambda a, b, c: torch.tanh(a * b + c)) if mode == "torch-compiled" else None
        return timed(lambda: f(a, b, c) if f else torch.tanh(a * b + c))

    def gemm(dtype: Any, tf32: bool) -> Callable[[], float]:
        def run() -> float:
            torch.backends.cuda.matmul.allow_tf32 = tf32
            a, b = random(s.gemm, s.gemm, dtype=dtype), random(s.gemm, s.gemm, dtype=dtype)
            return timed(lambda: a @ b)

        return run

    def conv(backward: bool) -> Callable[[], float]:
        def run() -> float:
            total = 0.0
            for i, c, f, k, st in convolutions(s):
                form = {"memory_format": torch.channels_last}
                x = random(s.conv_batch, c, i, i, dtype=torch.bfloat16).to(**form).requires_grad_(backward)
                w = random(f, c, k, k, dtype=torch.bfloat16).to(**form).requires_grad_(backward)

                def call(x: Any = x, w: Any = w, st: int = st, k: int = k) -> Any:
                    y = nn.functional.conv2d(x, w, stride=st, padding=k // 2)
                    return torch.autograd.grad(y.sum(), (x, w)) if backward else y

                total += timed(call)
            return total

        return run

    def adam() -> float:
        parameters = [nn.Parameter(random(s.adam // 8)) for _ in range(8)]
        for p in parameters:
            p.grad = torch.randn_like(p)
        return timed(torch.optim.Adam(parameters, fused=here.type == "cuda").step)

    def trained(model: Any, x: Any, y: Any, loss: Any, bf16: bool = False) -> float:
        model = model.to(here)
        graphs = mode == "torch-graphs"
        optimizer = torch.optim.Adam(model.parameters(), capturable=graphs and here.type == "cuda")
        run_model = torch.compile(model) if mode == "torch-compiled" else model

        def step() -> None:
            optimizer.zero_grad(set_to_none=not graphs)
            with torch.autocast(here.type, torch.bfloat16, enabled=bf16):
                value = loss(run_model(x), y)
            value.backward()
            optimizer.step()

        if not graphs:
            return timed(step)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return timed(graph.replay)

    labels = nn.CrossEntropyLoss()

    def mlp() -> float:
        layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
        y = torch.randint(0, 10, (s.batch,), device=here)
        return trained(nn.Sequential(*layers), random(s.batch, 784), y, labels)

    def cnn() -> float:
        layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        y = torch.randint(0, 10, (s.batch,), device=here)
        model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1600, 10))
        return trained(model, random(s.batch, 1, 28, 28), y, labels)

    def lstm() -> float:
        b, t, u = s.lstm

        class Last(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.LSTM(u, u, batch_first=True)

            def forward(self, x: Any) -> Any:
                return self.inner(x)[0][:, -1]

        return trained(Last(), random(b, t, u), random(b, u), nn.MSELoss())

    def block() -> float:
        b, t, w = s.block
        heads = 8 if w >= 64 else 2
        model = nn.TransformerEncoderLayer(w, heads, 4 * w, 0.0, "gelu", batch_first=True, norm_first=True)
        return trained(model, random(b, t, w), random(b, t, w), nn.MSELoss(), bf16=True)

    models = {"mlp step": mlp, "cnn step": cnn, "lstm step": lstm, "transformer block bf16 step": block}
    if mode == "torch":
        yield from {
            "gemm bf16": gemm(torch.bfloat16, False),
            "gemm tf32": gemm(torch.float32, True),
            "gemm fp32": gemm(torch.float32, False),
            COPY: negative,
            "elementwise tanh(a*b+c)": elementwise,
            "adam": adam,
            "conv bf16 forward": conv(False),
            "conv bf16 forward+backward": conv(True),
        }.items()
    if mode == "torch-compiled":
        yield "elementwise tanh(a*b+c)", elementwise
    yield from models.items()


# ---- JAX ----


def jax_works(s: Sizes) -> Iterator[tuple[str, Callable[[], float]]]:
    import jax
    import jax.numpy as jnp

    def timed(f: Callable[..., Any], *arrays: Any) -> float:
        last: list[Any] = [None]

        def call() -> None:
            last[0] = f(*arrays)

        return measure(call, lambda: jax.block_until_ready(last[0]), s.seconds)

    def random(*shape: int, dtype: Any = jnp.float32) -> Any:
        return jax.random.normal(jax.random.key(0), shape).astype(dtype)

    def gemm(dtype: Any, precision: str) -> Callable[[], float]:
        def run() -> float:
            a, b = random(s.gemm, s.gemm, dtype=dtype), random(s.gemm, s.gemm, dtype=dtype)
            return timed(jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision)), a, b)

        return run

    def elementwise() -> float:
        a, b, c = (random(s.copy) for _ in range(3))
        return timed(jax.jit(lambda a, b, c: jnp.tanh(a * b + c)), a, b, c)

    def mlp() -> float:
        sizes = (784, 512, 512, 10)
        weights = [(random(i, o) * 0.05, jnp.zeros(o)) for i, o in zip(sizes, sizes[1:])]
        zeros = jax.tree.map(jnp.zeros_like, weights)
        x, y = random(s.batch, 784), jnp.zeros(s.batch, jnp.int32)

        def loss(ws: Any) -> Any:
            h = x
            for k, (w, b) in enumerate(ws):
                h = h @ w + b
                h = jax.nn.relu(h) if k < 2 else h
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1))

        @jax.jit
        def step(state: Any) -> Any:
            ws, m, v, t = state
            g, t = jax.grad(loss)(ws), t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            a = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            return jax.tree.map(lambda w, m, v: w - a * m / (jnp.sqrt(v) + 1e-7), ws, m, v), m, v, t

        state = [(weights, zeros, zeros, jnp.float32(0))]

        def call() -> None:
            state[0] = step(state[0])

        return measure(call, lambda: jax.block_until_ready(state[0]), s.seconds)

    yield "mlp step", mlp
    yield "gemm bf16", gemm(jnp.bfloat16, "default")
    yield "gemm fp32", gemm(jnp.float32, "highest")
    yield "elementwise tanh(a*b+c)", elementwise


# ---- one contestant ----


def run(who: str, results: Path, s: Sizes) -> int:
    family = {"tahr": tahr_works, "jax": jax_works}.get(who)
    failed = 0
    fallen: dict[str, int] = {}

    def write(row: dict[str, Any]) -> None:
        print(row, flush=True)
        with results.open("a") as f:
            f.write(json.dumps({"who": who, **row}) + "\n")

    try:
        todo = list(family(s) if family else torch_works(s, who))
    except ImportError as e:
        write({"work": "", "error": f"not installed: {e}"})
        return 0
    if who == "tahr":
        import tahr

        for info in [tahr._C.gpu_info(0)] if tahr._C.gpu_count() else []:
            major, minor = info["compute_capability"]
            row = {"capability": 10 * major + minor, "multiprocessors": info["multiprocessors"]}
            with results.open("a") as f:
                f.write(json.dumps({"who": "device", "work": "", "name": info["name"], **row}) + "\n")
    for name, call in todo:
        begin = time.perf_counter()
        try:
            row: dict[str, Any] = {"seconds": call()}
        except Exception as e:  # the other works go on
            traceback.print_exc()
            row = {"error": f"{type(e).__name__}: {e}"[:300]}
            failed += 1
        if who == "tahr":
            before, fallen = fallen, tahr.config.device_fallbacks()
            row["fallbacks"] = {op: n - before.get(op, 0) for op, n in fallen.items() if n > before.get(op, 0)}
        write({"work": name, **row, "whole": round(time.perf_counter() - begin, 2)})
    return 1 if failed else 0


# ---- the table ----

# Dense peaks as their makers state them: TFLOP/s of bf16 and TF32 tensor cores and of FP32, TB/s of memory. The first
# name that the device's contains.
PEAKS = {
    "GH200": (989, 495, 67, 4.0),
    "H200 NVL": (836, 418, 60, 4.8),
    "H200": (989, 495, 67, 4.8),
    "H100 NVL": (836, 418, 60, 3.9),
    "H100 PCIe": (756, 378, 51, 2.0),
    "H100": (989, 495, 67, 3.35),
    "A100-SXM4-40GB": (312, 156, 19.5, 1.555),
    "A100-PCIE-40GB": (312, 156, 19.5, 1.555),
    "A100": (312, 156, 19.5, 2.0),
}
# Of other devices, by compute capability: bf16 tensor and FP32 operations of a multiprocessor in a cycle (TF32: half of
# the former), from the makers' tables of the largest device of each.
PER_CYCLE = {70: (1024, 128), 75: (1024, 128), 80: (2048, 128), 86: (512, 256), 89: (512, 256), 90: (4096, 256)}
PER_CYCLE |= {100: (8192, 256), 103: (8192, 256), 120: (512, 256)}
Peaks = tuple[float, float, float, float]


def peaks(rows: list[dict[str, Any]], copy_bytes: float) -> tuple[str, str, Peaks | None]:
    """The device's name, where its peaks come from, and the peaks: stated ones, else clock times multiprocessors times
    operations of a cycle, and the fastest copy that was measured."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,clocks.max.sm", "--format=csv,noheader,nounits"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split("\n")[0]
        name, clock = (field.strip() for field in answer.rsplit(",", 1))
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return "no GPU", "", None
    for key, found in PEAKS.items():
        if key in name:
            return name, "as stated by its maker", found
    device = next((r for r in rows if r["who"] == "device"), None)
    copies = [r["seconds"] for r in rows if r.get("work") == COPY and "seconds" in r]
    if not device or not copies or not clock.isdigit():
        return name, "", None
    known = [c for c in PER_CYCLE if c <= device["capability"]]
    tensor, plain = PER_CYCLE[max(known, default=min(PER_CYCLE))]
    tera = device["multiprocessors"] * float(clock) * 1e6 / 1e12
    source = f"{device['multiprocessors']} multiprocessors at {clock} MHz, and the fastest copy measured"
    return name, source, (tera * tensor, tera * tensor / 2, tera * plain, copy_bytes / min(copies) / 1e12)


def micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.1f}"


def report(results: Path, logs: Path | None, s: Sizes) -> str:
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    name, source, peak = peaks(rows, works(s)[COPY].bytes)
    lines = [f"# tahr on {name}", ""]
    if logs and (logs / "lacks").exists():
        lines += [(logs / "lacks").read_text().strip(), ""]
    if logs and (logs / "parts.tsv").exists():
        lines += ["| part | exit | seconds | |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(line.split("\t")) + " |" for line in (logs / "parts.tsv").read_text().splitlines()]
    lines += ["", "Microseconds of a call; floor: arithmetic or bytes at the device's peak"]
    lines[-1] += f" ({source})." if peak else ", unknown for this device."
    lines += [""]
    lines += ["| work | floor | " + " | ".join(WHO) + " | tahr: of the floor | tahr: against torch |", "|" + "---|" * 9]
    found = {(r["who"], r["work"]): r for r in rows}
    for work in works(s).values():
        floor = None
        if peak:
            rate = {"bf16": peak[0], "tf32": peak[1], "fp32": peak[2]}[work.kind]
            floor = max(work.flops / rate / 1e12, work.bytes / peak[3] / 1e12)
        times = {who: found.get((who, work.name), {}).get("seconds") for who in WHO}
        cells = [micro(times[w]) or ("failed" if "error" in found.get((w, work.name), {}) else "") for w in WHO]
        mine, torch = times["tahr"], times["torch"]
        share = f"{floor / mine:.0%}" if floor and mine else ""
        ratio = f"{torch / mine:.2f}x" if torch and mine else ""
        lines.append(f"| {work.name} | {micro(floor)} | " + " | ".join(cells) + f" | {share} | {ratio} |")
    errors = [f"- {r['who']}, {r['work']}: {r['error']}" for r in rows if "error" in r]
    lines += ["", *(["What failed:", "", *errors] if errors else [])]
    fallen = {r["work"]: r["fallbacks"] for r in rows if r.get("fallbacks")}
    if fallen:
        lines += ["", "Ops that ran on the CPU, and how often:", ""]
        lines += [f"- {work}: {ops}" for work, ops in fallen.items()]
    if logs and (logs / "tests.log").exists():
        text = (logs / "tests.log").read_text(errors="replace")
        lines += ["", "## Tests", "", "```", text[max(text.rfind("\nCommonest errors:"), 0) :][:20000].strip(), "```"]
    if logs:
        for log in sorted(logs.glob("sanitizer-*.log")):
            lines += ["", f"## {log.stem}", "", "```", log.read_text(errors="replace")[-3000:].strip(), "```"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--who", choices=WHO)
    parser.add_argument("--results", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--report", type=Path, metavar="RESULTS")
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: figures mean nothing")
    options = parser.parse_args()
    sizes = TINY if options.tiny else Sizes()
    if options.report:
        print(report(options.report, options.logs, sizes))
        return 0
    if not options.who:
        parser.error("expected --who or --report")
    return run(options.who, options.results, sizes)


if __name__ == "__main__":
    sys.exit(main())
