"""Public names, arguments and defaults are those of Keras 3.

Whole namespaces where all of it is here; listed names where a namespace is not complete. What differs on purpose is in
`DIFFERENT`, with the reason.
"""

import inspect
import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "numpy")
real = pytest.importorskip("keras")

from tahr import keras  # noqa: E402

COMPLETE = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "optimizers.schedules")
COMPLETE += ("regularizers", "datasets", "random")

LAYERS = """Layer InputLayer Input InputSpec Dense Flatten Reshape Permute RepeatVector Dropout GaussianNoise
GaussianDropout AlphaDropout SpatialDropout1D SpatialDropout2D SpatialDropout3D ActivityRegularization Activation ReLU
LeakyReLU PReLU ELU Softmax Rescaling Normalization Lambda Masking Identity Wrapper Concatenate Add Subtract Multiply
Average Maximum Minimum Dot concatenate add subtract multiply average maximum minimum dot""".split()
LAYERS += "BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization".split()
LAYERS += "SpectralNormalization Attention AdditiveAttention MultiHeadAttention GroupQueryAttention".split()
LAYERS += ["EinsumDense", "ReversibleEmbedding"]
LAYERS += [f"{k}{r}D" for k in ("Conv", "Convolution", "Cropping", "UpSampling", "ZeroPadding") for r in (1, 2, 3)]
LAYERS += [f"{k}{r}DTranspose" for k in ("Conv", "Convolution") for r in (1, 2, 3)]
LAYERS += [f"{k}{r}D" for k in ("DepthwiseConv", "SeparableConv", "SeparableConvolution") for r in (1, 2)]
LAYERS += [
    f"{k}{r}D"
    for k in ("MaxPooling", "AveragePooling", "MaxPool", "AvgPool")
    for k in (k, f"Global{k}", *([f"Adaptive{k}"] if k.endswith("ing") else []))
    for r in (1, 2, 3)
]
CALLBACKS = """Callback CallbackList CSVLogger EarlyStopping History LambdaCallback LearningRateScheduler ProgbarLogger
ReduceLROnPlateau RemoteMonitor SwapEMAWeights TerminateOnNaN""".split()
UTILS = "Progbar PyDataset Sequence get_file normalize pad_sequences set_random_seed to_categorical".split()
LISTED = {
    "layers": LAYERS,
    "callbacks": CALLBACKS,
    "utils": UTILS,
    "": ["DTypePolicy", "Function", "Input", "KerasTensor", "Layer", "Loss", "Metric", "Model", "Operation"]
    + ["Optimizer", "Initializer", "Regularizer", "Sequential", "Variable"],
}

DIFFERENT = {}

METHODS = {
    "Layer": "__call__ add_loss add_weight build call compute_mask compute_output_shape compute_output_spec count_params "
    "from_config get_build_config get_config get_weights set_weights stateless_call build_from_config",
    "Model": "add_loss build compile compile_from_config compute_loss compute_metrics fit from_config get_compile_config "
    "get_layer get_metrics_result predict predict_on_batch predict_step reset_metrics summary test_on_batch test_step "
    "to_json train_on_batch",
    "Sequential": "add pop fit predict summary",
    "Optimizer": "add_variable add_variable_from_reference apply apply_gradients assign assign_add assign_sub "
    "exclude_from_weight_decay finalize_variable_values from_config get_config load_own_variables save_own_variables "
    "scale_loss set_weights stateless_apply update_step",
    "Metric": "add_variable add_weight from_config get_config reset_state result stateless_reset_state stateless_result "
    "stateless_update_state update_state",
    "Loss": "__call__ call from_config get_config",
    "Variable": "assign assign_add assign_sub numpy",
    "callbacks.Callback": "set_model set_params "
    "on_batch_begin on_batch_end on_epoch_begin on_epoch_end on_predict_batch_begin "
    "on_predict_batch_end on_predict_begin on_predict_end on_test_batch_begin on_test_batch_end on_test_begin "
    "on_test_end on_train_batch_begin on_train_batch_end on_train_begin on_train_end",
}


def find(root, path):
    for part in filter(None, path.split(".")):
        root = getattr(root, part)
    return root


def arguments(function):
    """Names and defaults; a default that is an object counts by its type.

    `**kwargs` is left out: which extra arguments are refused is tested elsewhere.
    """
    if inspect.isclass(function) and "__signature__" not in function.__dict__:
        parameters = list(inspect.signature(function.__init__).parameters.values())[1:]
    else:
        parameters = list(inspect.signature(function).parameters.values())
    found = []
    for p in parameters:
        default = p.default
        if not isinstance(default, (int, float, str, bool, tuple, list, dict, type(None), type)):
            default = type(default).__name__
        elif isinstance(default, type):
            default = default.__name__
        if p.kind is not p.VAR_KEYWORD:
            found.append((p.name, default))
    return found


def names(namespace):
    if namespace in LISTED:
        return LISTED[namespace]
    public = [n for n in dir(find(real, namespace)) if not n.startswith("_")]
    return [n for n in public if namespace == "datasets" or not inspect.ismodule(getattr(find(real, namespace), n))]


ALL = [f"{n}.{name}".lstrip(".") for n in (*COMPLETE, *LISTED) for name in names(n)]


@pytest.mark.parametrize("name", ALL)
def test_name_and_arguments(name):
    expected, found = find(real, name), find(keras, name)
    if inspect.ismodule(expected):
        assert inspect.ismodule(found)
        functions = [n for n in dir(expected) if not n.startswith("_")]
        for function in functions:
            assert arguments(getattr(found, function)) == arguments(getattr(expected, function)), function
        return
    assert inspect.isclass(found) == inspect.isclass(expected) and callable(found)
    assert found.__name__ == expected.__name__
    same = arguments(found) == arguments(expected)
    if name in DIFFERENT:
        assert not same, f"{name} agrees with Keras now: take it off DIFFERENT"
    elif not same:
        assert arguments(found) == arguments(expected)


@pytest.mark.parametrize("owner, method", [(owner, m) for owner, line in METHODS.items() for m in line.split()])
def test_methods_and_their_arguments(owner, method):
    expected, found = getattr(find(real, owner), method), getattr(find(keras, owner), method)
    assert arguments(found) == arguments(expected)


@pytest.mark.parametrize("kind", ["activations", "constraints", "initializers", "losses", "metrics", "optimizers"])
def test_names_in_strings(kind):
    """What Keras finds by a string is found by it here too."""
    theirs, ours = find(real, kind), find(keras, kind)
    tried = 0
    for name in dir(theirs):
        if (
            name.startswith("_")
            or inspect.ismodule(getattr(theirs, name))
            or name in ("get", "serialize", "deserialize")
        ):
            continue
        try:
            expected = theirs.get(name)
        except (KeyError, TypeError, ValueError):  # a class that cannot be made without arguments
            continue
        found = ours.get(name)
        assert type(found).__name__ == type(expected).__name__, name
        assert getattr(found, "__name__", None) == getattr(expected, "__name__", None), name
        tried += 1
    assert tried > 5
