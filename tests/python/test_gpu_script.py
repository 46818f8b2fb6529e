"""bench/python/gpu.py: floors of devices that it knows by name and of others; reports of runs that were cut off."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

PATH = Path(__file__).parents[2] / "bench/python/gpu.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("bench_gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(monkeypatch, line: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: SimpleNamespace(stdout=line))


@pytest.mark.parametrize(
    "name, bf16, memory",
    [("NVIDIA H200", 989, 4.8), ("NVIDIA H100 PCIe", 756, 2.0), ("NVIDIA A100-SXM4-80GB", 312, 2.0)],
)
def test_known_devices(script, monkeypatch, name, bf16, memory):
    answer(monkeypatch, f"{name}, 1980\n")
    found, source, peak = script.peaks([], 8.0)
    assert found == name and "stated" in source and (peak[0], peak[3]) == (bf16, memory)


def test_other_devices_by_clock_and_measured_copy(script, monkeypatch):
    answer(monkeypatch, "NVIDIA GeForce RTX 4090, 2520\n")
    rows = [
        {"who": "device", "work": "", "capability": 89, "multiprocessors": 128},
        {"who": "tahr", "work": script.COPY, "seconds": 0.004},
        {"who": "torch", "work": script.COPY, "seconds": 0.002},
        {"who": "jax", "work": script.COPY, "error": "none"},
    ]
    _, source, peak = script.peaks(rows, 1.8e9)
    assert peak == pytest.approx((165.2, 82.6, 82.6, 0.9), rel=1e-3)  # what its maker states: 165, 83, 83
    assert "128 multiprocessors at 2520 MHz" in source
    assert script.peaks(rows[:1], 1.8e9)[2] is None  # nothing was measured
    answer(monkeypatch, "")
    assert script.peaks(rows, 1.8e9)[0] == "no GPU"


def test_a_run_that_was_cut_off_has_a_report(script, monkeypatch, tmp_path):
    answer(monkeypatch, "NVIDIA H200, 1980\n")
    results = tmp_path / "results.jsonl"
    rows = [{"who": "tahr", "work": "gemm bf16", "seconds": 0.0015, "whole": 1.0}]
    rows.append({"who": "torch", "work": "gemm bf16", "error": "RuntimeError: lost"})
    results.write_text("\n".join(json.dumps(r) for r in rows))
    (tmp_path / "parts.tsv").write_text("tests\t124\t170\tout of time\n")
    text = script.report(results, tmp_path, script.Sizes())
    assert "| tests | 124 | 170 | out of time |" in text
    assert "| gemm bf16 | 1,111.7 | 1,500.0 | failed |" in text and "74%" in text
    assert "- torch, gemm bf16: RuntimeError: lost" in text
