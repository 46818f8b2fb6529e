#!/usr/bin/env python3
"""Loads damaged model files and looks for crashes, hangs and memory that the files do not justify.

    python tools/fuzz_files.py --minutes 10        (or: make fuzz MINUTES=10)

Files of every format that `keras.models.load_model` and `load_weights` read, and graph files, are made, changed at random
(bytes, JSON values, members of archives, attributes of nodes, with sums made right again), and loaded, graphs also run, each
in a process of its own with bounds on memory and time. A finding is a process that dies, takes too long or too much, or an
error of a kind that tells a user nothing. The files of findings are kept. The same --seed gives the same files.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import json
import os
import random
import resource
import select
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import graph_fields

SECONDS = 20  # for one file; undamaged ones take some hundredths
MEMORY = 160 << 20  # bytes that loading may add for such small files: variables up to 64 MiB, and what building takes
EXPECTED = (ValueError, TypeError, OSError, NotImplementedError)
GRAPH_LIMITS = {"memory": 64 << 20, "seconds": 4.0}  # of a run of a damaged graph, for which more has to be an error
GRAPH_ERRORS = (MemoryError, IndexError, RuntimeError)  # limits; positions outside of a tensor; what cannot be done
NUMBERS = [0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, -(2**63), 2**64, 1e308, -0.0, float("nan"), 0.5]
EDGES = [-1, 0, 1, 100, 255, 2**15, 2**20, 2**24, 2**31 - 1, -(2**31), 2**31, 2**40, 2**61, 2**62, 2**63 - 1, -(2**63)]
TEXTS = ["", "\0", "..", "/etc/passwd", "a" * 5000, "relu", "os", "Dense", "Sequential", "__lambda__", "float64", "é"]
VALUES = [None, True, False, [], {}, [None], [[]], {"class_name": "x", "config": {}}, *NUMBERS, *TEXTS]


class Finding(NamedTuple):
    """What went wrong with one file."""

    kind: str
    detail: str
    path: str


def make_model() -> Any:
    from tahr import keras

    L = keras.layers
    x = keras.Input((6, 4), name="x")
    y = L.Conv1D(3, 2, activation="relu")(x)
    y = L.Bidirectional(L.LSTM(2, return_sequences=True))(y)
    y = L.MultiHeadAttention(2, 2)(y, y)
    y = L.GlobalAveragePooling1D()(y) * 2.0
    inner = keras.Sequential([L.Dense(3), L.BatchNormalization()], name="inner")
    y = L.Dense(2, kernel_regularizer="l2", activation="softmax")(L.Dropout(0.2)(inner(y)))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    return model


def make_graphs() -> list[Any]:
    """Models whose graph files use many kinds of nodes: loops, branches, recurrent layers, convolutions."""
    import tahr
    from tahr import keras

    L = keras.layers

    class Rounds(L.Layer):
        def call(self, x):
            _, y = tahr.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, keras.ops.tanh(y) + x), (0, x))
            _, ys = keras.ops.scan(lambda c, r: (c + r, c * r), keras.ops.zeros_like(y[:, 0]), keras.ops.transpose(y))
            return tahr.cond(keras.ops.sum(y) > 0, lambda: y * 2.0, lambda: y - 1.0) + keras.ops.sum(ys)

        def compute_output_shape(self, shape):
            return shape

    loops = keras.Sequential([L.Input((4,), batch_size=4), Rounds(), L.Dense(2)])
    image = keras.Sequential(
        [
            L.Input((8, 8, 2)),
            L.Conv2D(3, 3, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.Conv2DTranspose(2, 3, strides=2),
            L.UpSampling2D(2, interpolation="bilinear"),
            L.DepthwiseConv2D(3),
            L.GroupNormalization(2),
            L.Cropping2D(1),
            L.ZeroPadding2D(1),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ]
    )
    words = L.Input((5,), dtype="int32")
    y = L.Embedding(9, 4, mask_zero=True)(words)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(y)
    y = L.MultiHeadAttention(2, 2)(y, y)
    y = L.LayerNormalization()(L.GRU(3, return_sequences=True)(y))
    return [loops, image, keras.Model(words, [L.GlobalAveragePooling1D()(y), L.SimpleRNN(2)(y)])]


def seeds(folder: Path) -> dict[str, Path]:
    """Undamaged files by format."""
    model = make_model()
    for i, graph in enumerate(make_graphs()):
        graph.export(folder / f"{i}.tahr", format="tahr")
    for name in ("a.keras", "a.h5"):
        model.save(folder / name)
    for name in ("a.weights.h5", "b.h5", "a.safetensors"):
        model.save_weights(folder / name)
    (folder / "shards").mkdir()
    model.save_weights(folder / "shards" / "a.weights.json", max_shard_size=1e-6)
    index = folder / "shards" / "a.weights.json"
    return {
        "keras": folder / "a.keras",
        "h5": folder / "a.h5",
        "old h5": folder / "b.h5",
        "weights.h5": folder / "a.weights.h5",
        "safetensors": folder / "a.safetensors",
        "shards": index,
        **{f"graph {i}": folder / f"{i}.tahr" for i in range(3)},
    }


# Changes.


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes, numbers or stretches of `data` changed."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8, 40))):
        if not out:
            break
        at = rng.randrange(len(out))
        kind = rng.randrange(7)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            size, code = rng.choice(((2, "<H"), (4, "<I"), (8, "<Q")))
            number = rng.choice((0, 1, len(out), 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**48, 2**63, 2**64 - 1))
            out[at : at + size] = struct.pack(code, number % 256**size)
        elif kind == 3:
            length = rng.choice((1, 4, 16, 200))
            start = rng.randrange(len(out))
            out[at : at + length] = out[start : start + length]
        elif kind == 4:
            del out[at : at + rng.choice((1, 4, 64))]
        elif kind == 5:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
        elif rng.random() < 0.2:
            del out[at:]
    return bytes(out)


def change_json(value: Any, rng: random.Random) -> Any:
    """Some values inside `value` replaced, removed, moved or repeated."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 5))):
        places: list[tuple[Any, Any]] = []
        stack = [value]
        while stack:
            current = stack.pop()
            items = current.items() if isinstance(current, dict) else enumerate(current)
            for key, inner in list(items):
                places.append((current, key))
                if isinstance(inner, (dict, list)):
                    stack.append(inner)
        if not places:
            return rng.choice(VALUES)
        owner, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0:
            del owner[key]
        elif kind == 1:
            other, where = rng.choice(places)
            owner[key] = copy.deepcopy(other[where]) if where in other or isinstance(other, list) else None
        elif kind == 2 and isinstance(owner, list):
            owner.extend([copy.deepcopy(owner[key])] * rng.choice((1, 3, 50)))
        elif kind == 3 and isinstance(owner[key], (int, float)):
            owner[key] = rng.choice((owner[key] * -1, owner[key] + 1, owner[key] * 2**20, *NUMBERS))
        elif kind == 4 and isinstance(owner, dict):
            owner[rng.choice(TEXTS)] = owner.pop(key)
        else:
            owner[key] = copy.deepcopy(rng.choice(VALUES))
    return value


def change_archive(data: bytes, rng: random.Random) -> bytes:
    """An archive with one of its members changed, and sums that are right."""
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    name = rng.choice(["config.json", "config.json", "model.weights.h5"])
    if name == "config.json":
        members[name] = json.dumps(change_json(json.loads(members[name]), rng)).encode()
    else:
        members[name] = change_bytes(members[name], rng)
    out = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", kind) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return out.getvalue()


def change_h5_config(path: Path, data: bytes, rng: random.Random) -> None:
    """A whole-model `.h5` file with another config, written by HDF5 itself."""
    import h5py

    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        name = rng.choice(("model_config", "model_config", "training_config"))
        file.attrs[name] = json.dumps(change_json(json.loads(file.attrs[name]), rng))


def change_graph(data: bytes, rng: random.Random) -> bytes:
    """A graph file with a damaged header whose lengths are those of the file."""
    length = struct.unpack("<Q", data[16:24])[0]
    rest = data[-(-(32 + length) // 64) * 64 :]
    header = bytearray(data[32 : 32 + length])
    known = graph_fields.fields(bytes(header))
    kinds = ("attribute", "attribute", "dimension", "value", "dtype", "count")
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choice(kinds)
        chosen = [f for f in known if f.kind == kind]
        at, code, _ = rng.choice(chosen)
        old = struct.unpack_from(code, header, at)[0]
        if code == "<d":
            struct.pack_into(code, header, at, rng.choice((0.0, -1.0, 0.5, 1e30, -1e300, float("nan"), float("inf"))))
            continue
        nearby = (old - 2, old - 1, old + 1, old + 2, -old, 2 * old, *range(8))
        new = rng.choice(nearby if rng.random() < 0.7 else EDGES) % 256 ** struct.calcsize(code)
        header[at : at + struct.calcsize(code)] = new.to_bytes(struct.calcsize(code), "little")
    if rng.random() < 0.1:
        header = bytearray(change_bytes(bytes(header), rng))
    begin = -(-(32 + len(header)) // 64) * 64
    prefix = data[:16] + struct.pack("<QQ", len(header), begin + len(rest))
    return (prefix + bytes(header)).ljust(begin, b"\0") + rest


def change(kind: str, seed: Path, target: Path, rng: random.Random) -> Path:
    """A damaged copy of `seed` in the folder `target`; returns its path."""
    data = seed.read_bytes()
    path = target / seed.name
    if kind == "keras" and rng.random() < 0.7:
        path.write_bytes(change_archive(data, rng))
    elif kind.startswith("graph") and rng.random() < 0.9:
        path.write_bytes(change_graph(data, rng))
    elif kind == "h5" and rng.random() < 0.5:
        change_h5_config(path, data, rng)
    elif kind == "shards":
        files = sorted(seed.parent.iterdir())
        chosen = rng.choice(files)
        for file in files:
            content = file.read_bytes()
            if file == chosen:
                if file == seed and rng.random() < 0.7:
                    content = json.dumps(change_json(json.loads(content), rng)).encode()
                else:
                    content = change_bytes(content, rng)
            (target / file.name).write_bytes(content)
    elif kind == "safetensors" and rng.random() < 0.5:
        length = struct.unpack("<Q", data[:8])[0]
        header = json.dumps(change_json(json.loads(data[8 : 8 + length]), rng)).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])
    else:
        path.write_bytes(change_bytes(data, rng))
    return path


# Running.


def run_graph(path: Path) -> None:
    import numpy as np
    import tahr
    from tahr import _C

    try:
        graph = _C.LoadedGraph(path.read_bytes(), **GRAPH_LIMITS)
        for rows in (4, 1):
            known = [(dtype, [rows if d is None else d for d in shape]) for _, dtype, shape in graph.inputs]
            if sum(int(np.prod(shape, dtype="float64")) for _, shape in known) > 1 << 20:
                raise ValueError("inputs that nobody would give")
            graph([tahr.constant(np.ones(shape, dtype)) for dtype, shape in known])
    except GRAPH_ERRORS as error:
        raise ValueError(str(error)) from None


def load(kind: str, path: Path, model: Any) -> None:
    from tahr import keras

    if kind.startswith("graph"):
        run_graph(path)
        return
    if kind in ("keras", "h5"):
        keras.models.load_model(path)
    if kind != "h5":
        model.load_weights(path)


def apart(task: Callable[[], None], seconds: float, memory: int | None) -> tuple[str, str, int]:
    """Runs `task` in a child process. Returns (outcome, detail, most memory in KiB)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if memory is not None:
                with open("/proc/self/statm") as file:
                    now = int(file.read().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            text = "ok"
            try:
                task()
            except EXPECTED as error:
                text = f"refused {type(error).__name__}"
            except BaseException as error:
                import traceback

                where = traceback.extract_tb(error.__traceback__)[-1]
                text = f"error {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            os.write(writer, text.encode("utf-8", "replace")[:4000])
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], seconds)
    if not ready:
        os.kill(child, signal.SIGKILL)
    text = os.read(reader, 5000).decode("utf-8", "replace") if ready else ""
    os.close(reader)
    deadline = time.monotonic() + seconds
    pid, status, usage = os.wait4(child, os.WNOHANG)
    while pid == 0:  # it has answered, and is about to end
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
        pid, status, usage = os.wait4(child, os.WNOHANG)
    if not ready:
        return "hang", f"no answer in {seconds} s", usage.ru_maxrss
    if os.WIFSIGNALED(status):
        return "crash", f"signal {os.WTERMSIG(status)}", usage.ru_maxrss
    if not text:
        return "crash", "ended without an answer", usage.ru_maxrss
    outcome, _, detail = text.partition(" ")
    return outcome, detail, usage.ru_maxrss


def fuzz(
    minutes: float | None = None,
    rounds: int | None = None,
    seed: int = 0,
    only: str = "",
    keep: Path | None = None,
    log: Callable[[str], None] = print,
) -> tuple[list[Finding], Counter[str]]:
    """Damages and loads files for some minutes or rounds. Returns (findings, how often each outcome came)."""
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="tahr-fuzz-") as folder:
        root = Path(folder)
        files = {kind: path for kind, path in seeds(root).items() if only in kind}
        model = make_model()
        for kind, path in files.items():  # also imports what loading needs, before any fork
            load(kind, path, model)
        base = max(apart(lambda k=kind, p=path: load(k, p, model), SECONDS, None)[2] for kind, path in files.items())
        start = time.monotonic()
        number = 0
        while (rounds is None or number < rounds) and (minutes is None or time.monotonic() - start < 60 * minutes):
            number += 1
            kind = list(files)[number % len(files)]
            target = root / "damaged"
            target.mkdir(exist_ok=True)
            path = change(kind, files[kind], target, random.Random(rng.getrandbits(64)))
            outcome, detail, memory = apart(lambda k=kind, p=path: load(k, p, model), SECONDS, 4 * MEMORY)
            if outcome in ("ok", "refused") and (memory - base) * 1024 > MEMORY:
                outcome, detail = "memory", f"{(memory - base) >> 10} MiB more than for undamaged files"
            counts[f"{kind}: {outcome}"] += 1
            if outcome not in ("ok", "refused"):
                kept = path
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    kept = keep / f"{number}-{path.name}"
                    kept.write_bytes(path.read_bytes())
                findings.append(Finding(outcome, f"{kind}: {detail}", str(kept)))
                log(f"{outcome} after {number} files: {kind}: {detail} ({kept})")
    return findings, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="default: one from the clock, which is printed")
    parser.add_argument("--only", default="", help="formats with this in their names: 'graph', 'h5', ...")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where files of findings go")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    print(f"fuzzing for {arguments.minutes:g} minutes, seed {seed}")
    findings, counts = fuzz(arguments.minutes, seed=seed, only=arguments.only, keep=arguments.keep)
    for name, count in sorted(counts.items()):
        print(f"{count:8,}  {name}")
    print(f"{sum(counts.values()):,} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
