"""tahr's training beside Keras on three backends, PyTorch and JAX: one interleaved run, one table, one chart.

Usage:
    python bench/python/compare.py --make-venvs .peers             # once: environments of the rivals
    python bench/python/compare.py --venvs .peers                  # everything, about an hour
    python bench/python/compare.py --work mlp32 --contestants tahr,keras-jax --repeats 3
    python bench/python/compare.py --quick                         # does all of it work here? (a few steps of each)
    python bench/python/compare.py --venvs .peers --json run.json --markdown docs/performance.md --chart docs/training.svg
    python bench/python/compare.py --read run.json --chart training.png      # the tables of an earlier run

Works: names of `peers/workloads.py` or its groups train, near (neighbouring sizes), other, all. Each contestant does each
work in a fresh process; the processes take turns, round after round, and figures are medians. Before each the script
waits for the machine to be quiet, and figures taken beside other work carry a mark. Contestants that are not installed
are left out. The floor needs the machine's peak: `make bench` builds the program that measures it, or give --peak.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers import machine, report
from peers.venvs import CONTESTANTS, PYTHON_PATHS, installed, interpreter, make_venvs
from peers.workloads import ALONE, GROUPS, NEIGHBOURS, TRAINING

ROOT = Path(__file__).parents[2]
SIZES = {"budget": 3.0, "least": 3, "most": 300, "models": 30, "calls": 3000, "cycles": 200, "predicts": 100_000}
QUICK = {"budget": 0.1, "least": 2, "most": 3, "models": 3, "calls": 50, "cycles": 5, "predicts": 300}
QUICK_ROWS = 2000
BIT_THREADS = (1, 2, 4)


def options() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=f"Works: {', '.join(GROUPS['all'])}; groups: {', '.join(GROUPS)}."
    )
    parser.add_argument("--work", type=names, default=["all"], help="works or groups, separated by commas")
    parser.add_argument("--contestants", type=names, default=list(CONTESTANTS), help=", ".join(CONTESTANTS))
    parser.add_argument("--repeats", type=int, default=3, help="rounds, each with a process per contestant and work")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, help="seconds of later epochs in each process")
    parser.add_argument("--quick", action="store_true", help="a few steps of everything; its figures mean nothing")
    parser.add_argument("--quiet-wait", type=float, default=60, help="longest wait for a quiet machine, seconds")
    parser.add_argument("--timeout", type=float, default=600, help="of one process, seconds")
    parser.add_argument("--venvs", type=Path, default=Path(".peers"), help="folder that --make-venvs filled")
    parser.add_argument("--make-venvs", type=Path, metavar="DIR", help="create the rivals' environments, and stop")
    parser.add_argument("--peak", type=float, help="multiply-add peak of the machine with these threads, GFLOP/s")
    parser.add_argument("--peak-program", type=Path, default=ROOT / "build/bench/bench/cpp/bench_machine")
    parser.add_argument("--json", type=Path, help="file for every run and figure; written after each process")
    parser.add_argument("--read", type=Path, metavar="JSON", help="report an earlier run instead of measuring")
    parser.add_argument("--markdown", type=Path, help="document whose section is replaced by the tables")
    parser.add_argument("--chart", type=Path, help="picture of the figures, SVG or PNG (needs matplotlib)")
    args = parser.parse_args()
    known = {*GROUPS, *GROUPS["all"]}
    for given, allowed in ((args.work, known), (args.contestants, set(CONTESTANTS))):
        if wrong := [name for name in given if name not in allowed]:
            parser.error(f"unknown: {', '.join(wrong)}; there are {', '.join(sorted(allowed))}")
    return args


def measure(name: str, work: str, threads: int, args: argparse.Namespace) -> dict[str, Any]:
    """One process: what its worker printed, plus the wall time of the whole; or `error`."""
    contestant = CONTESTANTS[name]
    spec: dict[str, Any] = {"work": work, "module": contestant.module, "variant": contestant.variant}
    spec |= QUICK if args.quick else SIZES
    spec |= {"threads": threads, "rows": QUICK_ROWS if args.quick else 0}
    if args.budget is not None:
        spec["budget"] = args.budget
    if training := (TRAINING | NEIGHBOURS).get(work):
        if args.quick:
            training = dataclasses.replace(training, rows=min(training.rows, QUICK_ROWS))
        spec["training"] = dataclasses.asdict(training)
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TAHR_NUM_THREADS", "PEERS_THREADS")
    env = {**os.environ, **dict.fromkeys(counts, str(threads)), "PYTHONPATH": PYTHON_PATHS, "PEERS_CONTESTANT": name}
    env |= {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    if name.startswith("keras-"):
        env["KERAS_BACKEND"] = name.removeprefix("keras-")
    command = [interpreter(name, args.venvs), "-m", "peers.worker", json.dumps(spec)]
    start = time.perf_counter()
    try:
        run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=args.timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {args.timeout:.0f} s"}
    seconds = time.perf_counter() - start
    if run.returncode != 0:
        return {"error": (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]}
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result | {"wall_s" if work == "process" else "process_s": seconds}


def takes_part(name: str, work: str) -> bool:
    """The loops written for JAX know dense layers only."""
    training = (TRAINING | NEIGHBOURS).get(work)
    return CONTESTANTS[name].module != "jax_loop" or training is None or training.kind not in ("cnn", "residual")


def schedule(works: list[str], names: list[str], repeats: int, threads: int) -> list[tuple[int, str, str, int]]:
    """(round, work, contestant, threads) in the order of running."""
    plan = []
    for round_ in range(repeats):
        for work in works:
            if work == "bits":
                plan += [(round_, work, "tahr", n) for n in BIT_THREADS if round_ == 0 and "tahr" in names]
            elif work in ALONE:
                plan += [(round_, work, "tahr", threads)] if round_ == 0 and "tahr" in names else []
            else:
                plan += [(round_, work, name, threads) for name in names if takes_part(name, work)]
    return plan


def measure_peak(record: dict[str, Any], args: argparse.Namespace) -> None:
    """Keeps the highest of the peaks measured so far: others on the machine can only lower it."""
    found = machine.peak_gflops(args.peak_program, args.threads)
    record["peak_gflops"] = max((peak for peak in (found, record["peak_gflops"]) if peak), default=None)


def run_all(args: argparse.Namespace) -> dict[str, Any]:
    works = list(dict.fromkeys(work for name in args.work for work in GROUPS.get(name, (name,))))
    versions = {name: installed(name, args.venvs) for name in args.contestants}
    missing = [name for name, found in versions.items() if found is None]
    for name in missing:
        print(f"{name} is left out: {' and '.join(CONTESTANTS[name].packages)} not installed (--make-venvs, --venvs)")
    names = [name for name in args.contestants if name not in missing]
    machine.wait_until_quiet(0 if args.quick else args.quiet_wait)
    record: dict[str, Any] = {
        "command": f"python bench/python/compare.py {shlex.join(sys.argv[1:])}".strip(),
        "machine": machine.describe(),
        "threads": args.threads,
        "repeats": args.repeats,
        "versions": {name: versions[name] for name in names},
        "missing": missing,
        "peak_gflops": args.peak,
        "waited_s": 0.0,
        "runs": [],
    }
    if not args.peak:
        measure_peak(record, args)
    if record["peak_gflops"] is None:
        print(f"no floor: {args.peak_program} is not built (make bench), and no --peak was given")
    if "process" in works:
        for name in names:  # compiles Python files and fills the file cache
            measure(name, "process", args.threads, args)
    plan = schedule(works, names, args.repeats, args.threads)
    for i, (round_, work, name, threads) in enumerate(plan):
        if i and round_ != plan[i - 1][0] and not args.peak:
            measure_peak(record, args)
        waited, quiet = machine.wait_until_quiet(0 if args.quick else args.quiet_wait)
        record["waited_s"] += waited
        run: dict[str, Any] = {"work": work, "contestant": name, "round": round_, "threads": threads, "quiet": quiet}
        run |= measure(name, work, threads, args)
        record["runs"].append(run)
        found = report.speed(run)
        value = run.get("error") or (
            f"{report.number(run[found[0]])} {found[1]}" if found else run.get("growth_mb", "")
        )
        others = f"others {run['others']:.2f}" if "others" in run else ""
        print(f"[{i + 1}/{len(plan)}] {work:<10} {name:<17} {value}  {others}", flush=True)
        if args.json:
            args.json.write_text(json.dumps(record, indent=1))
    return record


def main() -> None:
    args = options()
    if args.make_venvs:
        make_venvs(args.make_venvs)
        return
    record = json.loads(args.read.read_text()) if args.read else run_all(args)
    print("\n" + report.text(record))
    if args.chart:
        from peers.chart import draw

        draw(report.tables(record)[0], args.chart)
    if args.markdown:
        chart = os.path.relpath(args.chart, args.markdown.parent) if args.chart else None
        report.write_section(args.markdown, report.markdown(record, chart))


if __name__ == "__main__":
    main()
