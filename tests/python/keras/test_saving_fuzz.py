"""A short run of the fuzzer of model files, `tools/fuzz_files.py`, with a fixed seed; `make fuzz` runs it for long."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"
sys.path.insert(0, str(TOOLS))
fuzz_files = pytest.importorskip("fuzz_files")


# The fuzzer forks for each file, so it runs in a process without the threads that other tests may have started.
RUN = f"""
import json, pathlib, sys
sys.path.insert(0, {str(TOOLS)!r})
import fuzz_files
findings, counts = fuzz_files.fuzz(rounds=360, seed=11, keep=pathlib.Path(sys.argv[1]))
print(json.dumps([[str(f) for f in findings], counts]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and memory are read in Linux's way")
def test_no_findings(tmp_path):
    done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True)
    findings, counts = json.loads(done.stdout.splitlines()[-1])
    assert findings == []
    assert sum(counts.values()) == 360
    for kind in ("keras", "h5", "old h5", "weights.h5", "safetensors", "shards", "graph 0", "graph 1", "graph 2"):
        assert counts[f"{kind}: refused"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits and memory are read in Linux's way")
def test_the_fuzzer_would_notice():
    def hang():
        while True:
            pass

    def crash():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGSEGV)

    def fill():
        bytearray(2 << 30)

    def silly():
        {}["key"]

    assert fuzz_files.apart(hang, 0.5, None)[0] == "hang"
    assert fuzz_files.apart(crash, 5, None)[0] == "crash"
    assert fuzz_files.apart(fill, 5, 1 << 30)[:2][0] == "error"
    assert fuzz_files.apart(silly, 5, None)[0] == "error"
    assert fuzz_files.apart(lambda: None, 5, None)[0] == "ok"


def test_the_same_seed_changes_the_same():
    rng = [random.Random(5) for _ in range(2)]
    data = bytes(range(256)) * 4
    assert fuzz_files.change_bytes(data, rng[0]) == fuzz_files.change_bytes(data, rng[1]) != data
