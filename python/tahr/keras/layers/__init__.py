"""keras.layers: the layers, one folder per family.

- layer.py: `Layer`; state.py, tracking.py, call_spec.py, input_spec.py: its parts
- core, activation, regularization, reshaping, merging, rnn, preprocessing, ...: the layers

A new layer: a file in its family's folder, and its name in `_NAMES` below (modules load on first use).
"""

from __future__ import annotations

import importlib
from typing import Any

from tahr.keras.old_paths import submodule

_NAMES = {
    "Layer": "layer",
    "InputSpec": "input_spec",
    # core
    "Dense": "core.dense",
    "EinsumDense": "core.einsum_dense",
    "Embedding": "core.embedding",
    "Identity": "core.identity",
    "Input": "core.input_layer",
    "InputLayer": "core.input_layer",
    "Lambda": "core.lambda_layer",
    "Masking": "core.masking",
    "ReversibleEmbedding": "core.reversible_embedding",
    "Wrapper": "core.wrapper",
    # activation
    "Activation": "activation.activation",
    "ELU": "activation.elementwise",
    "ThresholdedReLU": "activation.elementwise",
    "LeakyReLU": "activation.elementwise",
    "PReLU": "activation.prelu",
    "ReLU": "activation.elementwise",
    "Softmax": "activation.softmax",
    # convolutional
    "Conv1D": "convolutional.conv",
    "Conv2D": "convolutional.conv",
    "Conv3D": "convolutional.conv",
    "Conv1DTranspose": "convolutional.conv_transpose",
    "Conv2DTranspose": "convolutional.conv_transpose",
    "Conv3DTranspose": "convolutional.conv_transpose",
    "DepthwiseConv1D": "convolutional.depthwise_conv",
    "DepthwiseConv2D": "convolutional.depthwise_conv",
    "SeparableConv1D": "convolutional.separable_conv",
    "SeparableConv2D": "convolutional.separable_conv",
    # pooling
    "AveragePooling1D": "pooling.windows",
    "AveragePooling2D": "pooling.windows",
    "AveragePooling3D": "pooling.windows",
    "MaxPooling1D": "pooling.windows",
    "MaxPooling2D": "pooling.windows",
    "MaxPooling3D": "pooling.windows",
    "GlobalAveragePooling1D": "pooling.whole",
    "GlobalAveragePooling2D": "pooling.whole",
    "GlobalAveragePooling3D": "pooling.whole",
    "GlobalMaxPooling1D": "pooling.whole",
    "GlobalMaxPooling2D": "pooling.whole",
    "GlobalMaxPooling3D": "pooling.whole",
    "AdaptiveAveragePooling1D": "pooling.adaptive",
    "AdaptiveAveragePooling2D": "pooling.adaptive",
    "AdaptiveAveragePooling3D": "pooling.adaptive",
    "AdaptiveMaxPooling1D": "pooling.adaptive",
    "AdaptiveMaxPooling2D": "pooling.adaptive",
    "AdaptiveMaxPooling3D": "pooling.adaptive",
    # regularization
    "ActivityRegularization": "regularization.activity_regularization",
    "AlphaDropout": "regularization.alpha_dropout",
    "Dropout": "regularization.dropout",
    "GaussianDropout": "regularization.gaussian",
    "GaussianNoise": "regularization.gaussian",
    "SpatialDropout1D": "regularization.spatial_dropout",
    "SpatialDropout2D": "regularization.spatial_dropout",
    "SpatialDropout3D": "regularization.spatial_dropout",
    # reshaping
    "Cropping1D": "reshaping.cropping",
    "Cropping2D": "reshaping.cropping",
    "Cropping3D": "reshaping.cropping",
    "Flatten": "reshaping.flatten",
    "Permute": "reshaping.permute",
    "RepeatVector": "reshaping.repeat_vector",
    "Reshape": "reshaping.reshape",
    "UpSampling1D": "reshaping.up_sampling",
    "UpSampling2D": "reshaping.up_sampling",
    "UpSampling3D": "reshaping.up_sampling",
    "ZeroPadding1D": "reshaping.zero_padding",
    "ZeroPadding2D": "reshaping.zero_padding",
    "ZeroPadding3D": "reshaping.zero_padding",
    # merging
    "Add": "merging.elementwise",
    "Average": "merging.elementwise",
    "Concatenate": "merging.concatenate",
    "Dot": "merging.dot",
    "Maximum": "merging.elementwise",
    "Minimum": "merging.elementwise",
    "Multiply": "merging.elementwise",
    "Subtract": "merging.elementwise",
    "add": "merging.functions",
    "average": "merging.functions",
    "concatenate": "merging.functions",
    "dot": "merging.functions",
    "maximum": "merging.functions",
    "minimum": "merging.functions",
    "multiply": "merging.functions",
    "subtract": "merging.functions",
    # rnn
    "Bidirectional": "rnn.bidirectional",
    "ConvLSTM1D": "rnn.conv_lstm",
    "ConvLSTM2D": "rnn.conv_lstm",
    "ConvLSTM3D": "rnn.conv_lstm",
    "GRU": "rnn.gru",
    "GRUCell": "rnn.gru",
    "LSTM": "rnn.lstm",
    "LSTMCell": "rnn.lstm",
    "RNN": "rnn.rnn",
    "SimpleRNN": "rnn.simple_rnn",
    "SimpleRNNCell": "rnn.simple_rnn",
    "StackedRNNCells": "rnn.stacked_rnn_cells",
    "TimeDistributed": "rnn.time_distributed",
    # attention
    "AdditiveAttention": "attention.additive_attention",
    "Attention": "attention.attention",
    "GroupQueryAttention": "attention.grouped_query_attention",
    "MultiHeadAttention": "attention.multi_head_attention",
    # normalization
    "BatchNormalization": "normalization.batch_normalization",
    "GroupNormalization": "normalization.group_normalization",
    "LayerNormalization": "normalization.layer_normalization",
    "RMSNormalization": "normalization.rms_normalization",
    "SpectralNormalization": "normalization.spectral_normalization",
    "UnitNormalization": "normalization.unit_normalization",
    # preprocessing
    "CategoryEncoding": "preprocessing.category_encoding",
    "Discretization": "preprocessing.discretization",
    "HashedCrossing": "preprocessing.hashing",
    "Hashing": "preprocessing.hashing",
    "IntegerLookup": "preprocessing.integer_lookup",
    "MelSpectrogram": "preprocessing.mel_spectrogram",
    "Normalization": "preprocessing.normalization",
    "Rescaling": "preprocessing.rescaling",
    "STFTSpectrogram": "preprocessing.stft_spectrogram",
    "StringLookup": "preprocessing.string_lookup",
    "TextVectorization": "preprocessing.text_vectorization",
    "Resizing": "preprocessing.image.sizes",
    "CenterCrop": "preprocessing.image.sizes",
    "RandomCrop": "preprocessing.image.sizes",
    "RandomFlip": "preprocessing.image.geometry",
    "RandomRotation": "preprocessing.image.geometry",
    "RandomZoom": "preprocessing.image.geometry",
    "RandomTranslation": "preprocessing.image.geometry",
    "RandomShear": "preprocessing.image.geometry",
    "RandomPerspective": "preprocessing.image.geometry",
    "RandomElasticTransform": "preprocessing.image.geometry",
    "FlaxLayer": "core.other_frameworks",
    "JaxLayer": "core.other_frameworks",
    "TFSMLayer": "core.other_frameworks",
    "TorchModuleWrapper": "core.other_frameworks",
    "RandomHeight": "preprocessing.image.old_sizes",
    "RandomWidth": "preprocessing.image.old_sizes",
    "RandomBrightness": "preprocessing.image.color",
    "RandomContrast": "preprocessing.image.color",
    "RandomHue": "preprocessing.image.color",
    "RandomSaturation": "preprocessing.image.color",
    "RandomColorDegeneration": "preprocessing.image.color",
    "RandomSharpness": "preprocessing.image.color",
    "RandomInvert": "preprocessing.image.color",
    "RandomPosterization": "preprocessing.image.color",
    "RandomGrayscale": "preprocessing.image.color",
    "RandomColorJitter": "preprocessing.image.color",
    "RandomGaussianBlur": "preprocessing.image.color",
    "Solarization": "preprocessing.image.color",
    "AutoContrast": "preprocessing.image.color",
    "Equalization": "preprocessing.image.color",
    "ContrastLimitedAdaptiveHistogramEqualization": "preprocessing.image.clahe",
    "CutMix": "preprocessing.image.mixing",
    "MixUp": "preprocessing.image.mixing",
    "RandomErasing": "preprocessing.image.mixing",
    "RandAugment": "preprocessing.image.policies",
    "AugMix": "preprocessing.image.policies",
    "Pipeline": "preprocessing.image.policies",
    "MaxNumBoundingBoxes": "preprocessing.image.policies",
}

# Other names of the same classes, some of them of older versions.
_ALIASES = {
    "AbstractRNNCell": "Layer",
    "AtrousConvolution2D": "Conv2D",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "Deconvolution2D": "Conv2DTranspose",
    **{f"Convolution{r}D": f"Conv{r}D" for r in (1, 2, 3)},
    **{f"Convolution{r}DTranspose": f"Conv{r}DTranspose" for r in (1, 2, 3)},
    **{f"SeparableConvolution{r}D": f"SeparableConv{r}D" for r in (1, 2)},
    **{f"{w}MaxPool{r}D": f"{w}MaxPooling{r}D" for w in ("", "Global") for r in (1, 2, 3)},
    **{f"{w}AvgPool{r}D": f"{w}AveragePooling{r}D" for w in ("", "Global") for r in (1, 2, 3)},
}

# Names of older versions without a counterpart, and what to write instead.
_GONE = {
    "DenseFeatures": "keras.utils.FeatureSpace, or preprocessing layers such as keras.layers.StringLookup",
    "LocallyConnected1D": "a layer of your own with keras.ops.unfold and einsum",
    "LocallyConnected2D": "a layer of your own with keras.ops.unfold and einsum",
}

__all__ = [*_NAMES, *_ALIASES, "deserialize", "serialize"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _ALIASES:
        return __getattr__(_ALIASES[name])
    if name in _GONE:
        raise AttributeError(f"[keras.layers] {name} is not offered any more: {_GONE[name]}.")
    return submodule(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_ALIASES})


def serialize(layer: Any) -> dict[str, Any]:
    """The config of a layer.

    >>> from tahr import keras
    >>> keras.layers.serialize(keras.layers.Flatten())["class_name"]
    'Flatten'
    """
    from tahr.keras.saving import serialize_keras_object

    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that `serialize` described.

    Raises:
        ValueError: if the config is not that of a layer.
    """
    from tahr.keras.layers.layer import Layer
    from tahr.keras.saving import deserialize_keras_object

    found = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(found, Layer):
        raise ValueError(f"[layers.deserialize] expected the config of a layer, received {config!r}.")
    return found
