"""Where each contestant is installed: one virtual environment per rival, and what is found in it.

Frameworks disagree about versions of what they share and slow each other's import, so each rival has an environment to
itself. A rival that has none is looked for in the interpreter that runs the script.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON_PATHS = os.pathsep.join(p for p in (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")) if p)

REQUIREMENTS = {
    "tensorflow": ("tensorflow-cpu==2.21.*", "keras==3.15.1"),
    "jax": ("jax==0.10.*", "keras==3.15.1"),
    "torch": ("torch==2.13.0", "keras==3.15.1"),
}


@dataclass(frozen=True)
class Contestant:
    """A framework and a way of using it. `module` implements it (see `peers/__init__.py`), `packages` must be there."""

    title: str
    module: str
    packages: tuple[str, ...]
    venv: str | None = None
    variant: str = ""


CONTESTANTS = {
    "tahr": Contestant("tahr", "keras_api", ("tahr",)),
    "keras-tensorflow": Contestant("Keras on TensorFlow", "keras_api", ("keras", "tensorflow"), "tensorflow"),
    "keras-jax": Contestant("Keras on JAX", "keras_api", ("keras", "jax"), "jax"),
    "keras-torch": Contestant("Keras on PyTorch", "keras_api", ("keras", "torch"), "torch"),
    "torch": Contestant("PyTorch loop", "torch_loop", ("torch",), "torch"),
    "jax-step": Contestant("JAX step", "jax_loop", ("jax",), "jax", "step"),
    "jax-scan": Contestant("JAX epoch scan", "jax_loop", ("jax",), "jax", "scan"),
}


def make_venvs(root: Path) -> None:
    """Creates the rivals' environments under `root`; those already complete are left as they are."""
    for name, requirements in REQUIREMENTS.items():
        folder = root / name
        ready = folder / "ready"
        if ready.exists():
            print(f"{folder}: there already")
            continue
        print(f"{folder}: installing {' '.join(requirements)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, "install", "numpy", *requirements], check=True)
        ready.touch()


def interpreter(name: str, root: Path) -> str:
    venv = CONTESTANTS[name].venv
    own = root / venv / "bin" / "python" if venv else None
    return str(own) if own and (root / venv / "ready").exists() else sys.executable  # type: ignore[operator]


def installed(name: str, root: Path) -> dict[str, str] | None:
    """Versions of the contestant's packages, or None if one of them is missing. Imports none of them."""
    script = (
        "import importlib.util as u, importlib.metadata as m, sys\n"
        "for p in sys.argv[1:]:\n"
        "    assert u.find_spec(p) is not None\n"
        "    names = m.packages_distributions().get(p, [])\n"
        "    print(p, m.version(names[0]) if names else 'checkout')"
    )
    command = [interpreter(name, root), "-c", script, *CONTESTANTS[name].packages]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PYTHON_PATHS})
    if run.returncode != 0:
        return None
    return {line.split()[0]: line.split()[1] for line in run.stdout.splitlines()}
