"""The machine as Linux shows it: who else is using it, what a process waited for, how much memory it holds.

On other systems what cannot be read is left out, and figures carry no mark of being disturbed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

DISTURBED = 0.15  # CPUs kept busy by others, from which on a figure is marked


def busy_seconds() -> float | None:
    """CPU seconds that the whole machine has worked since it started."""
    try:
        ticks = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return None
    user, nice, system, _, _, interrupt, soft, stolen = ticks[:8]
    return (user + nice + system + interrupt + soft + stolen) / os.sysconf("SC_CLK_TCK")


def waited_seconds() -> float:
    """Seconds that the threads of this process were ready to run and had no CPU."""
    total = 0
    tasks = Path("/proc/self/task")
    for task in tasks.iterdir() if tasks.exists() else ():
        try:
            total += int((task / "schedstat").read_text().split()[1])
        except OSError:  # a thread that has ended since
            pass
    return total / 1e9


class Meter:
    """How much others disturbed this process since `start`."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.began, self.own = time.perf_counter(), time.process_time()
        self.busy, self.waited = busy_seconds(), waited_seconds()

    def read(self) -> dict[str, float]:
        """`others`: CPUs that other processes kept busy; `wait`: threads of this one kept waiting; both on average.

        Nothing after less than 0.2 s, for which the ticks of the machine's account are too coarse.
        """
        seconds = time.perf_counter() - self.began
        busy = busy_seconds()
        if self.busy is None or busy is None or seconds < 0.2:
            return {}
        others = busy - self.busy - (time.process_time() - self.own)
        return {
            "others": round(max(0.0, others) / seconds, 3),
            "wait": round(max(0.0, waited_seconds() - self.waited) / seconds, 3),
        }


def wait_until_quiet(limit: float) -> tuple[float, bool]:
    """Waits until others keep less than DISTURBED CPUs busy for a second, at most `limit` s; (seconds waited, quiet?).

    With a limit of 0 it only looks, for a fifth of a second.
    """
    began, sample = time.monotonic(), 1.0 if limit > 0 else 0.2
    before = busy_seconds()
    if before is None:
        return 0.0, True
    while True:
        time.sleep(sample)
        now = busy_seconds()
        waited = time.monotonic() - began
        if now is None or now - before < DISTURBED * sample:
            return waited, True
        if waited >= limit:
            return waited, False
        before = now


def memory_mb() -> tuple[float, float]:
    """Resident memory of this process, now and at its peak, in MB (10^6 bytes)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        return peak, peak
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return kib["VmRSS"] * 1024 / 1e6, kib["VmHWM"] * 1024 / 1e6


def pin(threads: int) -> None:
    """Keeps this process on as many CPUs as it may use threads: not every framework can be told otherwise."""
    if hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        if threads < len(cpus):
            os.sched_setaffinity(0, cpus[:threads])


def peak_gflops(program: Path, threads: int) -> float | None:
    """The fused multiply-add peak with `threads` threads, by `bench_machine` of `make bench`, if it has been built."""
    if not program.exists():
        return None
    command = [str(program), "--benchmark_filter=fma_peak", "--benchmark_format=json", "--benchmark_repetitions=5"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        return None
    rates = [
        row["GFLOP/s"] / 1e9 if row["GFLOP/s"] > 1e8 else row["GFLOP/s"]
        for row in json.loads(run.stdout)["benchmarks"]
        if row.get("threads") == threads and row.get("run_type") == "iteration"
    ]
    return max(rates, default=None)


def describe() -> str:
    cpu = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{cpu}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
