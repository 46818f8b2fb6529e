"""Runs the GPU tests in several processes, so that a crash or an error that a GPU does not recover from (an illegal
address fails all later calls of its process) costs a group of tests and not the rest. What failed beside such an error
is run again by itself.

Usage: python bench/python/gpu_tests.py [--limit SECONDS] [--workers N] [--tiny]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests/python"
PYTEST = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider"]
SAMPLES = 12  # tests that fail are run again, at most
LOST = re.compile(
    r"illegal memory access|unspecified launch failure|misaligned address|device-side assert|cudaError(IllegalAddress|"
    r"LaunchFailure|MisalignedAddress|Assert|Unknown)"
)


def collect(files: list[str], select: str) -> list[str]:
    run = subprocess.run(
        [*PYTEST, "--collect-only", "-q", *files, "--device", "gpu", "-k", select],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found = [line for line in run.stdout.splitlines() if "::" in line]
    if not found:
        print("no test was found:", run.stdout[-2000:], run.stderr[-2000:])
    return found


# Waits after each launch, so that an error names its kernel; says which library or kernel a problem goes to.
CLOSELY = {"TAHR_CUDA_SYNC": "1", "TAHR_VERBOSE": "dispatch"}


def run_group(ids: list[str], limit: float, environment: dict[str, str] | None = None) -> tuple[dict[str, str], str]:
    """Outcome per test (passed, failed, skipped, error, lost), and the output."""
    if limit < 3:
        return dict.fromkeys(ids, "not run"), ""
    try:
        run = subprocess.run(
            [*PYTEST, "-v", "--tb=short", *ids, "--device", "gpu"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
            timeout=limit,
            env={**os.environ, **(environment or {})},
        )
        output, ending = run.stdout, f"the process ended ({run.returncode})"
    except subprocess.TimeoutExpired as e:
        output, ending = (e.stdout or b"").decode(errors="replace"), "out of time"
    outcome: dict[str, str] = {}
    for name, how in re.findall(r"^(\S+::.*?) (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)", output, re.M):
        outcome[name] = how.lower()
    for name in ids:
        outcome.setdefault(name, ending if len(outcome) else f"{ending}, before any test")
    return outcome, output


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=160)
    parser.add_argument("--workers", type=int, default=max(1, min(8, (os.cpu_count() or 2) // 2)))
    parser.add_argument("--tiny", action="store_true", help="a few tests only: does this script work?")
    options = parser.parse_args()
    end = time.monotonic() + options.limit
    files = [str(p.relative_to(ROOT)) for p in sorted(TESTS.glob("test_gpu*.py"))]
    ids = collect(files, "not test_on_the_emulated_gpu" + (" and (replay or variables)" if options.tiny else ""))
    ids += collect(["tests/python/test_op_table.py"], "test_values" + (" and (relu or tanh)" if options.tiny else ""))
    size = 12
    groups = [ids[i : i + size] for i in range(0, len(ids), size)]
    outcome: dict[str, str] = {}
    outputs: list[str] = []
    with ThreadPoolExecutor(options.workers) as pool:
        for result, output in pool.map(lambda g: run_group(g, min(60.0, end - time.monotonic())), groups):
            outcome |= result
            outputs.append(output)
            for name, how in result.items():  # at once: whoever stops this run has what was found until then
                if how not in ("passed", "skipped", "xfail"):
                    print(f"{name}: {how}", flush=True)
            print(f"{len(outcome)} of {len(ids)} tests have run", flush=True)
        # Each by itself: what failed in a process that lost the GPU, and what did not get its turn there.
        lost = [bool(LOST.search(o)) for o in outputs]
        again = [
            name
            for g, l in zip(groups, lost)
            for name in g
            if (outcome[name] in ("failed", "error") and l) or outcome[name].startswith("the process ended")
        ]
        alone = pool.map(lambda name: run_group([name], min(30.0, end - time.monotonic()), CLOSELY), again)
        for result, output in alone:
            outcome |= result
            outputs.append(output)
        # The first of each group that failed without losing the GPU, again, for what it was dispatched to.
        samples = [next((n for n in g if outcome[n] in ("failed", "error") and n not in again), None) for g in groups]
        chosen = [n for n in samples if n][:SAMPLES]
        closely = pool.map(lambda name: run_group([name], min(30.0, end - time.monotonic()), CLOSELY), chosen)
        samples_output = [output for _, output in closely]
    for output in outputs:
        if re.search(r"FAILED|ERROR|Fatal|Segmentation", output):
            print(output[-12_000:])
    for name, output in zip(chosen, samples_output):
        print(f"\n=== {name}, closely\n{output[-3000:]}")
    bad = {name: how for name, how in outcome.items() if how not in ("passed", "skipped", "xfail")}
    reasons: dict[str, int] = {}
    for output in outputs:
        for line in re.findall(r"^E   +(\S.*)$", output, re.M):
            reasons[line[:160]] = reasons.get(line[:160], 0) + 1
    print("\nCommonest errors:")
    for line, count in sorted(reasons.items(), key=lambda r: -r[1])[:25]:
        print(f"{count:5d} {line}")
    print("\nTests that did not pass:")
    for name, how in sorted(bad.items()):
        print(f"  {name}: {how}")
    passed = sum(how == "passed" for how in outcome.values())
    print(f"\nGPU tests: {passed} passed, {len(bad)} did not, {len(outcome) - passed - len(bad)} skipped")
    return 1 if bad or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
