#!/usr/bin/env python3
"""Runs Keras's own tests against tahr.keras, and keeps the record of what passes.

    conformance.py                               all areas: a table, build/conformance.json
    conformance.py --areas losses layers/core    some areas
    conformance.py --check                       the fast areas: fails if a test of passing.txt does not pass
    conformance.py --write                       all areas, then rewrites passing.txt and docs/conformance.md

What is applicable: applicable/*.txt, ids of tests that pass with real Keras, and also with a stand-in which offers Keras's
public names only. A test counts as passed only if it ran and passed; not if skipped, crashed, timed out or uncollected.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time
import zlib

import areas as areas_mod
import keras_tests
import report
import session

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APPLICABLE = os.path.join(HERE, "applicable")
PASSING = os.path.join(HERE, "passing.txt")


def load_applicable(folder=APPLICABLE):
    """{area: {test id: flags}}; lines are `id<TAB>group<TAB>flags`."""
    out = {}
    for f in sorted(os.listdir(folder)):
        if not f.endswith(".txt"):
            continue
        ids = {}
        with open(os.path.join(folder, f)) as lines:
            for line in lines:
                line = line.rstrip("\n")
                if line and not line.startswith("#"):
                    test, _, flags = (line.split("\t") + ["", ""])[:3]
                    ids[test] = flags
        out[f[:-4].replace("__", "/")] = ids
    rank = {a: i for i, a in enumerate(areas_mod.ORDER)}
    return dict(sorted(out.items(), key=lambda item: rank.get(item[0], 999)))


def load_passing():
    """The ids of the tests that passed when passing.txt was written."""
    with open(PASSING) as lines:
        return {line.rstrip("\n") for line in lines if line.strip() and not line.startswith("#")}


def generalize(error):
    """Fold details out of an error line so that equal causes group together."""
    e = re.sub(r"0x[0-9a-f]+", "0x..", error)
    e = re.sub(r"\b\d+(\.\d+)?(e[+-]?\d+)?\b", "N", e)
    return e[:200]


def run_area(keras_src, ids, a, log):
    """{test id: outcome and error} of those of `ids` that do not pass."""
    files = sorted({i.partition("::")[0] for i in ids})
    there = [f for f in files if os.path.exists(os.path.join(keras_src, f))]
    env = {"CONF_PRODUCT": a.product}
    results, _, errors = session.run_files(
        keras_src,
        there,
        "shim_plugin",
        env=env,
        select=set(ids),
        timeout=a.timeout,
        python=a.python,
        log=log,
        extra_args=("--noconftest",),
    )
    failures = {}
    for test in ids:
        result = results.get(test)
        if result is None:
            path = test.partition("::")[0]
            why = errors.get(path, f"{report.MISSING} {keras_tests.VERSION}")
            failures[test] = {"outcome": "not collected", "error": why}
        elif result["outcome"] != "passed":
            failures[test] = {"outcome": result["outcome"], "error": result["error"]}
    return failures


def run(chosen, keras_src, a):
    """Run the tests of {area: ids}, printing a line per area; the whole record."""
    log = open(a.log, "w") if a.log else None
    line = "{:30s} {:>10} {:>8} {:>8} {:>7}"
    print(line.format("area", "applicable", "passed", "failed", "%"), flush=True)
    record = {"product": a.product, "areas": {}}
    groups = collections.defaultdict(list)
    total = passed_total = 0
    for area, ids in chosen.items():
        if not ids:
            continue
        start = time.time()
        failures = run_area(keras_src, ids, a, log)
        for test, f in failures.items():
            groups[generalize(f"{f['outcome']}: {f['error']}")].append(test)
        n, passed = len(ids), len(ids) - len(failures)
        total, passed_total = total + n, passed_total + passed
        record["areas"][area] = {
            "applicable": n,
            "passed": passed,
            "failed": n - passed,
            "seconds": round(time.time() - start, 1),
            "failures": failures,
        }
        print(line.format(area, n, passed, n - passed, f"{100 * passed / n:.1f}"), flush=True)
    print(line.format("total", total, passed_total, total - passed_total, f"{100 * passed_total / max(total, 1):.1f}"))
    record["total"] = {"applicable": total, "passed": passed_total}
    record["errors"] = [
        {"count": len(ids), "error": e, "tests": ids} for e, ids in sorted(groups.items(), key=lambda g: -len(g[1]))
    ]
    return record


def choose(a):
    """{area: ids} that the arguments ask for."""
    lists = load_applicable()
    for area in a.areas or []:
        if area not in lists:
            sys.exit(f"no list for area {area!r}. Known: {', '.join(lists)}.")
    chosen = {k: v for k, v in lists.items() if not a.areas or k in a.areas}
    if a.check:
        passing = load_passing()
        chosen = {k: [i for i in v if i in passing] for k, v in chosen.items() if k in areas_mod.FAST}
    if a.sample > 1:
        chosen = {k: [i for i in v if not zlib.crc32(i.encode()) % a.sample] for k, v in chosen.items()}
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", nargs="*", help="default: all that have a list")
    parser.add_argument(
        "--check", action="store_true", help="fast areas, tests that passed before; fails if one does not"
    )
    parser.add_argument(
        "--write", action="store_true", help="rewrite passing.txt and docs/conformance.md (all areas only)"
    )
    parser.add_argument("--sample", type=int, default=1, help="run 1 in N tests (by hash)")
    parser.add_argument("--keras-src", help="a laid-out tree of Keras; default: build/keras-tests, made when missing")
    parser.add_argument("--product", default="tahr.keras")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--timeout", type=int, default=60, help="seconds per test")
    parser.add_argument("--json", default=os.path.join(ROOT, "build", "conformance.json"), help="the record")
    parser.add_argument("--log", help="file for pytest's own output")
    a = parser.parse_args()
    if a.write and (a.areas or a.sample > 1 or a.check):
        parser.error("--write records all tests: it goes with no --areas, --sample or --check")

    keras_src = a.keras_src or keras_tests.lay_out(os.path.join(ROOT, "build", "keras-tests"))
    if subprocess.call([a.python, "-c", f"import {a.product}"]):
        parser.error(f"cannot import {a.product} with {a.python}")
    chosen = choose(a)
    record = run(chosen, os.path.abspath(keras_src), a)
    os.makedirs(os.path.dirname(os.path.abspath(a.json)), exist_ok=True)
    with open(a.json, "w") as f:
        json.dump(record, f, indent=1)
    if record["errors"]:
        print(f"\nmost common causes (all in {a.json}):")
        for g in record["errors"][:15]:
            print(f"{g['count']:6d}  {g['error'][:110]}")
    if a.write:
        failed = {t for area in record["areas"].values() for t in area["failures"]}
        report.write_passing(PASSING, [i for ids in chosen.values() for i in ids if i not in failed])
        report.write_page(os.path.join(ROOT, "docs", "conformance.md"), record)
    if a.check and record["errors"]:
        print("\nThese passed when tests/conformance/passing.txt was written and do not pass now:")
        for area in record["areas"].values():
            for test, f in area["failures"].items():
                print(f"{test}\n    {f['outcome']}: {f['error']}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
