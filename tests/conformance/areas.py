"""Which area each upstream test file belongs to."""

import os

# Not measured: other backends' code, exporters to foreign formats, old formats.
EXCLUDED_PREFIXES = (
    "keras/src/backend/jax/",
    "keras/src/backend/tensorflow/",
    "keras/src/backend/torch/",
    "keras/src/export/",
    "keras/src/testing/",
    "keras/src/applications/applications_test.py",  # hundreds of big models
)

OPS_BY_FILE = "keras/src/ops/"


def area_of(path):
    """`path` is relative to the Keras tree, e.g. keras/src/layers/core/dense_test.py"""
    parts = path.split("/")
    assert parts[:2] == ["keras", "src"], path
    p = parts[2:]
    if p[0] == "layers":
        if len(p) == 2:
            return "layers/base"
        if p[1] == "preprocessing" and p[2] == "image_preprocessing":
            return "layers/image_preprocessing"
        return "layers/" + p[1]
    if p[0] == "ops":
        return "ops/" + p[-1][: -len("_test.py")]
    if p[0] == "backend":
        return "backend/" + p[1]
    if p[0] == "optimizers":
        return "optimizers/schedules" if p[1] == "schedules" else "optimizers"
    if p[0] == "trainers":
        return "trainers/data_adapters" if p[1] == "data_adapters" else "trainers"
    return p[0]


# Order of running and of the tables: most telling first, slowest last.
ORDER = [
    "activations",
    "initializers",
    "losses",
    "metrics",
    "optimizers",
    "optimizers/schedules",
    "layers/base",
    "layers/core",
    "layers/activations",
    "layers/normalization",
    "layers/regularization",
    "layers/merging",
    "layers/reshaping",
    "layers/pooling",
    "layers/convolutional",
    "layers/attention",
    "layers/rnn",
    "callbacks",
    "models",
    "trainers",
    "trainers/data_adapters",
    "saving",
    "utils",
    "regularizers",
    "constraints",
    "tree",
    "dtype_policies",
    "wrappers",
    "datasets",
    "random",
    "ops/nn",
    "ops/core",
    "ops/function",
    "ops/node",
    "ops/operation",
    "ops/operation_utils",
    "ops/ops",
    "ops/symbolic_arguments",
    "ops/einops",
    "ops/linalg",
    "ops/math",
    "ops/image",
    "layers/preprocessing",
    "layers/image_preprocessing",
    "backend/common",
    "backend/tests",
    "quantizers",
    "distribution",
    "distillation",
    "legacy",
    "applications",
    "ops/numpy",
]


def test_files(keras_src):
    """{area: [relative paths]} of the measured upstream test files, in ORDER."""
    found = {}
    top = os.path.join(keras_src, "keras", "src")
    for d, dirs, files in os.walk(top):
        dirs.sort()
        for f in sorted(files):
            if f.endswith("_test.py"):
                rel = os.path.relpath(os.path.join(d, f), keras_src)
                if rel.startswith(EXCLUDED_PREFIXES):
                    continue
                found.setdefault(area_of(rel), []).append(rel)
    rank = {a: i for i, a in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda kv: (rank.get(kv[0], 999), kv[0])))


# What CI runs: areas that take seconds.
FAST = (
    "activations",
    "initializers",
    "losses",
    "metrics",
    "optimizers",
    "optimizers/schedules",
    "regularizers",
    "constraints",
    "layers/activations",
    "layers/merging",
    "layers/reshaping",
    "layers/pooling",
    "layers/normalization",
    "callbacks",
    "trainers",
    "trainers/data_adapters",
    "tree",
    "ops/linalg",
    "ops/core",
)
