"""Programs compiled at run time, with `--device gpu`: by NVRTC on a GPU; on the emulated one by the host's compiler, which
gives the same kernels' values, and, where NVRTC is installed (TAHR_NVIDIA_PATH), by that, to see that it takes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def emulated(gpu):
    return "emulated" in os.environ.get("TAHR_CUDA_LIBRARY", "")


def run(home: Path, emulated: bool, mode: str, programs: int) -> str:
    """Runs random programs, traced and eager, in a process of their own; returns what it says of dispatch."""
    env = {**os.environ, "TAHR_HOME": str(home), "TAHR_VERBOSE": "dispatch", "TAHR_NVRTC": "always"}
    if emulated:
        env["TAHR_EMULATED_NVRTC"] = mode
    command = [sys.executable, "-X", "faulthandler", __file__, str(programs)]
    r = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-4000:]
    return r.stderr


def test_gpu_compiled_programs(emulated, tmp_path):
    """Bits of the ops one by one; the second process finds the first one's machine code, and mends what is broken."""
    said = run(tmp_path, emulated, "host", 3)
    if "NVRTC (" in said:
        pytest.skip("needs NVRTC")
    assert "interpreted" not in said
    files = sorted((tmp_path / "kernels").iterdir())
    assert len(files) >= 4 and all(re.fullmatch(r"[0-9a-f]{32}\.cubin", f.name) for f in files)
    times = [f.stat().st_mtime_ns for f in files]
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    assert "interpreted" not in run(tmp_path, emulated, "host", 3)
    assert sorted((tmp_path / "kernels").iterdir()) == files
    assert [f.stat().st_mtime_ns for f in files[1:]] == times[1:]
    assert len(files[0].read_bytes()) > len(whole) // 2


def test_gpu_the_cache_of_compiled_programs_has_an_end(emulated, tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    for i in range(1000):
        (folder / f"{i:032x}.cubin").write_bytes(b"")
        os.utime(folder / f"{i:032x}.cubin", (i, i))
    if "NVRTC (" in run(tmp_path, emulated, "host", 1):
        pytest.skip("needs NVRTC")
    left = {f.name for f in folder.iterdir()}
    assert 500 <= len(left) < 510
    assert f"{999:032x}.cubin" in left and f"{400:032x}.cubin" not in left
    assert sum((folder / name).stat().st_size > 0 for name in left) >= 2  # those just compiled


def test_gpu_programs_are_taken_by_nvrtc(emulated, tmp_path):
    if not emulated:
        pytest.skip("on a GPU they run, too")
    said = run(tmp_path, True, "true", 60)
    if "not installed" in said:
        pytest.skip("needs NVRTC: TAHR_NVIDIA_PATH")
    assert "error" not in said and "not compiled" not in said, said[-4000:]
    assert said.count("compiled by NVRTC") >= 60


def test_gpu_without_nvrtc(emulated, tmp_path):
    said = run(tmp_path, emulated, "", 2) if emulated else ""
    if emulated:
        assert said.count("nvidia-cuda-nvrtc") == 1  # said once


def test_gpu_a_source_that_does_not_compile_is_interpreted(emulated, tmp_path, monkeypatch):
    if not emulated:
        pytest.skip("needs the emulated compiler")
    monkeypatch.setenv("CXX", "false")
    assert "not compiled" in run(tmp_path, True, "host", 1)


def main(count: int) -> None:
    import numpy as np
    import tahr
    import test_fused
    from tahr import _C

    tahr.config.list_physical_devices("GPU")
    rng = np.random.default_rng(11)
    shapes = [(5, 24), (24,), (5, 1), (), (5, 24)]
    fixed = [
        # Every spread, a single result, truth values, literals of all kinds.
        "t0 = multiply(x0, x1); t1 = add(t0, x2); t2 = greater(t1, x3); t3 = where_select(t2, t1, x4); "
        "t4 = gelu(t3, approximate=False); t5 = exp(x3); return t4, t5, t2",
        "t0 = threshold(x0, threshold=0.1, default_value=float('inf')); t1 = nan_to_num(t0, nan=1.5, posinf=None, "
        "neginf=-3.0); t2 = cast(t1, dtype='bfloat16'); t3 = sigmoid(t2); t4 = cast(t3, dtype='int32'); "
        "t5 = leaky_relu(x4, negative_slope=0.3); return t3, t4, t5",
    ]
    for trial in range(count):
        base = test_fused.DTYPES[(trial * 7) % len(test_fused.DTYPES)] if trial % 2 else "float32"
        if trial < len(fixed):
            base = "float32"
        inputs = [test_fused._draw(rng, s, base) for s in shapes]
        if trial < len(fixed):
            text = fixed[trial]
            expected = _C.decompose("fused", inputs, {"program": text})
        else:
            text, expected = test_fused._program(rng, inputs, int(rng.integers(3, 20)))
        for got, want in zip(_C.ops.fused(inputs, program=text), expected, strict=True):
            assert test_fused._bits(got) == test_fused._bits(want), text

    @tahr.function
    def f(x, b):
        y = tahr.ops.tanh(x * b + 0.5)
        return tahr.ops.where(y > 0, y * 2.0, tahr.ops.exp(-y))

    x, b = test_fused._draw(rng, (300, 24), "float32"), test_fused._draw(rng, (24,), "float32")
    y = tahr.ops.tanh(x * b + 0.5)
    want = tahr.ops.where(y > 0, y * 2.0, tahr.ops.exp(-y))
    for _ in range(5):  # recorded on the way
        assert test_fused._bits(f(x, b)) == test_fused._bits(want)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main(int(sys.argv[1]))
