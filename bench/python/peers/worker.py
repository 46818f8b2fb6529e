"""One measurement in this process: `python -m peers.worker SPEC`, where SPEC is JSON; prints one line of JSON.

Started by `compare.py`, which sets PEERS_CONTESTANT, PEERS_THREADS, KERAS_BACKEND and the thread counts beforehand.
Little is imported before the contestant: the time of the whole process is one of the measurements.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from typing import Any

from . import workloads
from .machine import Meter, memory_mb, pin

Spec = dict[str, Any]


def contestant(spec: Spec) -> Any:
    return importlib.import_module(f"peers.{spec['module']}")


class EpochClock:
    """Times the epochs of a `fit`, and ends it when the later ones have had their share of time.

    At least `least` later epochs are waited for, but no longer than four times the share.
    """

    def __init__(self, budget: float, least: int, most: int) -> None:
        self.budget, self.least, self.most = budget, least, most
        self.seconds: list[float] = []
        self.logs: list[dict[str, float]] = []
        self.meter = Meter()
        self.last = time.perf_counter()

    def __call__(self, logs: dict[str, float]) -> bool:
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.logs.append({k: round(v, 5) for k, v in logs.items()})
        if len(self.seconds) == 1:
            self.meter.start()
        self.last = time.perf_counter()
        later = self.seconds[1:]
        share = self.budget if len(later) >= self.least else 4 * self.budget
        return len(later) >= self.most or (bool(later) and sum(later) >= share)


def train(spec: Spec) -> dict[str, Any]:
    work = workloads.Training(**spec["training"])
    module = contestant(spec)
    *data, source = workloads.training_data(work)
    before, _ = memory_mb()
    start = time.perf_counter()
    model = module.Model(work, tuple(data), spec["variant"])
    built = time.perf_counter() - start
    clock = EpochClock(spec["budget"], spec["least"], spec["most"])
    model.fit(clock)
    later = statistics.median(clock.seconds[1:])
    return {
        "data": source,
        "us_step": later / work.steps * 1e6,
        "build_s": built,
        "first_s": clock.seconds[0],
        "later_s": later,
        "epochs": [round(s, 6) for s in clock.seconds[:50]],
        "logs": clock.logs[:2],
        "before_mb": before,
        **clock.meter.read(),
    }


def search(spec: Spec) -> dict[str, Any]:
    module = contestant(spec)
    x, y, source = workloads.houses(spec["rows"] or workloads.HOUSES)
    configs = workloads.search_configs(spec["models"])
    meter, start = Meter(), time.perf_counter()
    losses = module.search(configs, x, y, spec["variant"])
    seconds = time.perf_counter() - start
    best = min((loss for loss in losses if loss == loss), default=None)
    return {"data": source, "seconds": seconds, "models": len(configs), "best_loss": best, **meter.read()}


def process(spec: Spec) -> dict[str, Any]:
    """The caller takes the time of the whole process."""
    meter = Meter()
    start = time.perf_counter()
    module = contestant(spec)
    imported = time.perf_counter() - start
    work = workloads.mlp(32, rows=1000)
    *data, source = workloads.training_data(work)
    logs: list[dict[str, float]] = []

    def one_epoch(values: dict[str, float]) -> bool:
        logs.append(values)
        return True

    start = time.perf_counter()
    module.Model(work, tuple(data), spec["variant"]).fit(one_epoch)
    trained = time.perf_counter() - start
    return {"data": source, "import_s": imported, "build_and_train_s": trained, "logs": logs, **meter.read()}


def one_row(spec: Spec) -> dict[str, Any]:
    work = workloads.mlp(32, rows=1000)
    *data, source = workloads.training_data(work)
    model = contestant(spec).Model(work, tuple(data), spec["variant"])
    result: dict[str, Any] = {"data": source}
    meter = Meter()
    for name, call in model.one_row().items():
        for _ in range(20):
            call()
        times: list[float] = []
        end = time.perf_counter() + 2 * spec["budget"]
        while len(times) < spec["calls"] and time.perf_counter() < end:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        result[f"{name}_us"] = statistics.median(times) * 1e6
        result[f"{name}_calls"] = len(times)
    return result | meter.read()


def growth(resident: list[float]) -> dict[str, Any]:
    """Of the whole series, and of it without its first tenth, in which caches fill."""
    return {"growth_mb": resident[-1] - resident[0], "later_mb": resident[-1] - resident[1], "rss": resident}


def cycles(spec: Spec) -> dict[str, Any]:
    """Resident memory after the first cycle of build, compile, fit, delete, and every tenth of the way since."""
    import gc

    work = workloads.mlp(32, rows=640)
    *data, source = workloads.training_data(work)
    module = contestant(spec)
    resident, count, start = [], spec["cycles"], time.perf_counter()
    for i in range(count + 1):
        module.Model(work, tuple(data), spec["variant"]).fit(lambda logs: True)
        if i % max(1, count // 10) == 0:
            gc.collect()
            resident.append(round(memory_mb()[0], 2))
    seconds = time.perf_counter() - start
    return {"data": source, "count": count, "s": seconds, **growth(resident)}


def predicts(spec: Spec) -> dict[str, Any]:
    """Resident memory after a hundred predicts of one row, and every tenth of the way since."""
    work = workloads.mlp(32, rows=1000)
    *data, source = workloads.training_data(work)
    call = contestant(spec).Model(work, tuple(data), spec["variant"]).one_row()["predict"]
    resident, count, start = [], spec["predicts"], time.perf_counter()
    for _ in range(100):
        call()
    for i in range(count + 1):
        if i % max(1, count // 10) == 0:
            resident.append(round(memory_mb()[0], 2))
        call()
    seconds = time.perf_counter() - start
    return {"data": source, "count": count, "s": seconds, **growth(resident)}


def bits(spec: Spec) -> dict[str, Any]:
    """A digest of the weights after three epochs. The thread count is asked for explicitly, beyond the CPUs too."""
    import hashlib

    import tahr

    tahr.config.set_num_threads(spec["threads"])
    work = workloads.mlp(32, rows=spec["rows"] or workloads.IMAGES)
    *data, source = workloads.training_data(work)
    model = contestant(spec).Model(work, tuple(data), spec["variant"])
    clock = EpochClock(float("inf"), 2, 2)
    model.fit(clock)
    digest = hashlib.sha256(b"".join(w.tobytes() for w in model.weights())).hexdigest()
    return {"data": source, "threads": tahr.config.num_threads(), "digest": digest, "logs": clock.logs}


def main() -> None:
    spec = json.loads(sys.argv[1])
    if spec["work"] != "bits":
        pin(int(os.environ["PEERS_THREADS"]))
    kinds = (search, process, one_row, cycles, predicts, bits)
    measure = {f.__name__: f for f in kinds}.get(spec["work"], train)
    result = measure(spec)
    result["peak_mb"] = memory_mb()[1]
    print("\n" + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
