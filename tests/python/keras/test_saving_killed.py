"""Saving is one step: a process killed in the middle of it leaves the old file, or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tahr import keras
from tahr.keras.saving.atomic import replacing

SAVER = """
import sys, os
from tahr import keras
L = keras.layers
model = keras.Sequential([keras.Input((256,)), L.Dense(512), L.Dense(256)])
size = model.count_params()
n = 0
print("ready", flush=True)
while True:
    n += 1
    for v in model.weights:
        v.assign(v * 0 + n)
    for path in sys.argv[1:]:
        model.save_weights(path) if path.endswith((".weights.h5", ".safetensors")) else model.save(path)
"""


def content(path):
    """The one number that all weights in a whole file have."""
    L = keras.layers
    if path.endswith((".keras", "model.h5")):
        model = keras.models.load_model(path)
    else:
        model = keras.Sequential([keras.Input((256,)), L.Dense(512), L.Dense(256)])
        model.load_weights(path)
    values = {float(v) for w in model.get_weights() for v in np.unique(w)}
    assert len(values) == 1, values
    return values.pop()


def test_killed_while_saving(tmp_path):
    names = ["a.keras", "model.h5", "a.weights.h5", "a.safetensors"]
    paths = [str(tmp_path / n) for n in names]
    rng = random.Random(3)
    last = dict.fromkeys(paths, 0.0)
    found = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", SAVER, *paths], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None and process.stdout.readline().strip() == b"ready"
            deadline = time.monotonic() + 10  # until every file is there
            while not all(map(os.path.exists, paths)) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.1))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        for path in paths:
            last[path] = content(path)
        found += sum(name.endswith(".tmp") for name in os.listdir(tmp_path))
    assert all(v >= 1 for v in last.values())
    assert found > 0  # some of the kills did hit the middle of a save


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError):
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_links_modes_and_leftovers(tmp_path):
    real = tmp_path / "real.txt"
    real.write_text("old")
    real.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(real)
    stale = tmp_path / ".real.txt.abc.tmp"
    stale.write_text("")
    os.utime(stale, (1, 1))
    fresh = tmp_path / ".real.txt.def.tmp"
    fresh.write_text("")
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and real.read_text() == "new" and real.stat().st_mode & 0o777 == 0o640
    assert not stale.exists() and fresh.exists()
    with replacing(tmp_path / "sub" / "deep.txt") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "sub" / "deep.txt").stat().st_mode & 0o600 == 0o600
