"""Names of TensorFlow that scripts beside Keras use and tahr does not offer: what to write instead.

`tahr.__getattr__` asks here before it gives up, so that a script that is carried over stops with one line of advice.
"""

from __future__ import annotations

_GRAPHS = "computation runs at once; @tahr.function compiles a Python function into a graph"

REPLACEMENTS = {
    # TensorFlow 1
    "ConfigProto": "tahr.config holds the settings",
    "Graph": _GRAPHS,
    "InteractiveSession": _GRAPHS,
    "Session": f"{_GRAPHS}, and calling it is what session.run() was",
    "compat": "names of TensorFlow 1 have no counterpart; what a script needs of version 2 is in tahr itself",
    "contrib": "keras.layers and keras.initializers have what it held",
    "disable_eager_execution": _GRAPHS,
    "disable_v2_behavior": _GRAPHS,
    "get_default_graph": _GRAPHS,
    "global_variables_initializer": "variables have their values as soon as they exist",
    "layers": "keras.layers, as keras.layers.Dense(10)(x)",
    "local_variables_initializer": "variables have their values as soon as they exist",
    "placeholder": "keras.Input in a model, or an argument of a @tahr.function",
    "reset_default_graph": "keras.utils.clear_session()",
    "truncated_normal": "tahr.random.truncated_normal",
    # TensorFlow 2
    "RaggedTensor": "tensors are dense: keras.utils.pad_sequences makes rows equally long",
    "SparseTensor": "tensors are dense: convert with .toarray() first",
    "audio": "scipy.io.wavfile reads sound files; keras.ops.stft analyses them",
    "autodiff": "tahr.GradientTape",
    "distribute": "one process computes with all cores of the machine",
    "estimator": "keras.Model, with compile() and fit()",
    "feature_column": "keras.utils.FeatureSpace, or preprocessing layers such as keras.layers.CategoryEncoding",
    "flags": "argparse",
    "gradients": "with tahr.GradientTape() as tape: ...; tape.gradient(loss, variables)",
    "lite": "model.export(path, format='onnx') writes a file that other runtimes read",
    "lookup": "keras.layers.StringLookup and keras.layers.IntegerLookup",
    "quantization": "model.quantize('int8')",
    "saved_model": "model.save('model.keras') and keras.models.load_model('model.keras')",
    "sparse": "tensors are dense: convert with .toarray() first",
    "strings": "str methods in Python, or keras.layers.TextVectorization",
    "summary": "keras.callbacks.TensorBoard writes event files",
    "sysconfig": "tahr.config holds the settings",
    "tpu": "tahr.config.list_physical_devices() lists what there is",
    "train": "keras.optimizers has the optimizers; model.save_weights and model.load_weights keep checkpoints",
}


def advice(name: str) -> str | None:
    """One line that names what to use in place of `tf.<name>`, or None if there is nothing to say.

    Example:
        >>> from tahr.gone import advice
        >>> advice("placeholder")
        '[tahr] tf.placeholder is not offered: keras.Input in a model, or an argument of a @tahr.function.'
    """
    replacement = REPLACEMENTS.get(name)
    return None if replacement is None else f"[tahr] tf.{name} is not offered: {replacement}."
