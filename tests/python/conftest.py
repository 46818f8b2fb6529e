import os
import sys
from pathlib import Path

import pytest

# The rows of the test table are a package beside the tests.
sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parents[2]


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=["cpu", "gpu"],
        default="cpu",
        help="gpu: tensors lie on the GPU, or, without one, on the emulated one (_cuda_emulated.so in the build).",
    )


def emulated_library() -> Path | None:
    """The library of kernels that runs on the CPU, if it was built."""
    found = [*ROOT.glob("build/*/_cuda_emulated.so")]
    return max(found, key=lambda p: p.stat().st_mtime, default=None)


def pytest_configure(config):
    if config.getoption("--device", "cpu") == "cpu":
        os.environ.setdefault("TAHR_CUDA_LIBRARY", "none")  # what these tests expect does not depend on the machine
        return
    if "TAHR_CUDA_LIBRARY" not in os.environ and not Path("/dev/nvidia0").exists():
        library = emulated_library()
        if library is None:
            raise pytest.UsageError("--device gpu: build with -DTAHR_CUDA_EMULATED=ON, or set TAHR_CUDA_LIBRARY.")
        os.environ["TAHR_CUDA_LIBRARY"] = str(library)
    import tahr

    if not tahr.config.list_physical_devices("GPU"):
        raise pytest.UsageError(f"--device gpu: {tahr._C.why_no_gpu()}")


@pytest.fixture
def gpu(request):
    """What a test takes that runs with `--device gpu` alone."""
    if request.config.getoption("--device") != "gpu":
        pytest.skip("runs with --device gpu")


@pytest.fixture
def cpu(request):
    """What a test takes that asks for what the CPU alone promises: memory shared with NumPy, the bits of its kernels,
    errors of values at once."""
    if request.config.getoption("--device") != "cpu":
        pytest.skip("holds on the CPU")
