"""``python -m tahr``: what was found on this machine, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import platform

import tahr
from tahr import _C, config

OPTIONAL = {
    "matplotlib": ("plots of training and of models", "plot"),
    "sklearn": ("scikit-learn wrappers and searches", "sklearn"),
    "tensorboard": ("logs for TensorBoard", "tensorboard"),
}


def report() -> list[str]:
    """The lines that `python -m tahr` prints."""
    lines = [
        f"tahr {tahr.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"CPU: instruction set {config.instruction_set()}, {config.num_threads()} threads",
    ]
    for i in range(_C.gpu_count()):
        info = _C.gpu_info(i)
        major, minor = info["compute_capability"]
        lines.append(
            f"GPU {i}: {info['name']}, compute capability {major}.{minor}, {info['multiprocessors']} multiprocessors, "
            f"{info['memory'] / 2**30:.1f} GiB"
        )
    if _C.gpu_count():
        kernels = _C.gpu_kernels()
        lines.append(
            f"     {sum(kernels.values())} of {len(kernels)} ops have kernels for it, the others run on the CPU"
        )
        for title, found, text in _C.gpu_libraries():
            lines.append(
                f"     {title}: {text}" if found else f"     {title} is missing: {text.removeprefix('[gpu] ')}"
            )
    else:
        lines.append(f"GPU: none. {_C.why_no_gpu()[:1].upper()}{_C.why_no_gpu()[1:]}.")
    for module, (what, extra) in OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            lines.append(f"{module} is missing, for {what}: pip install 'tahr[{extra}]'")
    return lines


if __name__ == "__main__":
    print("\n".join(report()))
