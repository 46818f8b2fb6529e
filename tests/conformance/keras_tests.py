"""Lays out Keras's own tests for the harness: from the installed Keras if it is the right version, else from its wheel.

The wheel holds the public names (`keras/layers/__init__.py`, ...) where Keras's source tree holds `keras/api/...`; the
harness reads the latter.
"""

import glob
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

VERSION = "3.15.1"


def lay_out(folder):
    """Fill `folder` with keras/{src,api}, unless it has been filled before. Returns the folder."""
    done = os.path.join(folder, f"keras-{VERSION}")
    if not os.path.exists(done):
        shutil.rmtree(os.path.join(folder, "keras"), ignore_errors=True)
        with tempfile.TemporaryDirectory() as tmp:
            _copy(_installed() or _downloaded(tmp), os.path.join(folder, "keras"))
        open(done, "w").close()
    return folder


def _installed():
    try:
        distribution = importlib.metadata.distribution("keras")
    except importlib.metadata.PackageNotFoundError:
        return None
    top = str(distribution.locate_file("keras"))
    whole = distribution.version == VERSION and os.path.exists(os.path.join(top, "src", "layers", "layer_test.py"))
    return top if whole else None


def _downloaded(tmp):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, f"keras=={VERSION}"]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(glob.glob(os.path.join(tmp, "keras-*.whl"))[0]) as z:
        z.extractall(os.path.join(tmp, "wheel"))
    return os.path.join(tmp, "wheel", "keras")


def _copy(top, out):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(os.path.join(top, "src"), os.path.join(out, "src"), dirs_exist_ok=True, ignore=ignore)
    for name in os.listdir(top):
        source, target = os.path.join(top, name), os.path.join(out, "api", name)
        if name == "src" or name == "__pycache__":
            continue
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)
    open(os.path.join(out, "__init__.py"), "a").close()
