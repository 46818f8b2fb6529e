"""The tests of a file once more, in a process that is held to another instruction set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run_file_on(isa: str, file: str) -> None:
    """Fails if a test of the file fails there; skips where this CPU lacks the instruction set."""
    if "TAHR_ISA" in os.environ:
        return  # inside such a process
    env = {**os.environ, "TAHR_ISA": isa}
    probe = subprocess.run([sys.executable, "-c", "import tahr"], env=env, capture_output=True, text=True)
    if probe.returncode != 0:
        assert "TAHR_ISA" in probe.stderr, probe.stderr
        pytest.skip(f"this CPU has no {isa}")
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", file], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:]
