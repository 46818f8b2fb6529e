"""Models of every family of layers for test_onnx_layers.py: by name, how to make one. What is listed in docs/runtime.md."""

from __future__ import annotations

from tahr import keras

L = keras.layers
ROWS, SEQUENCE, IMAGE, VOLUME = (4,), (6, 4), (8, 8, 4), (6, 6, 6, 2)


def chain(shape, *parts, dtype="float32"):
    return keras.Sequential([L.Input(shape, dtype=dtype), *parts])


def joined(make, shape=ROWS):
    a, b = L.Input(shape), L.Input(shape)
    return keras.Model([a, b], make(a, b))


def words(*parts):
    return chain((6,), L.Embedding(9, 4, mask_zero=True), *parts, dtype="int32")


def quantized(mode, model):
    model.quantize(mode)
    return model


def attention(**kwargs):
    layer = L.MultiHeadAttention(2, 2)
    return joined(lambda a, b: layer(a, b, **kwargs), SEQUENCE)


def masked_attention():
    a = L.Input((6,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=True)(a)
    return keras.Model(a, L.MultiHeadAttention(2, 2)(x, x))


def scores():
    a = L.Input(SEQUENCE)
    return keras.Model(a, L.MultiHeadAttention(2, 2)(a, a, return_attention_scores=True))


def one(name, shape, *args, **kwargs):
    """A model of the one layer `name`."""
    return lambda: chain(shape, getattr(L, name)(*args, **kwargs))


CASES = {
    "Dense": one("Dense", ROWS, 3),
    "EinsumDense": one("EinsumDense", SEQUENCE, "abc,cd->abd", (None, 5), bias_axes="d"),
    "Embedding": words,
    "ReversibleEmbedding": lambda: chain((6,), L.ReversibleEmbedding(9, 4), dtype="int32"),
    "Conv1D": one("Conv1D", SEQUENCE, 3, 2),
    "Conv2D groups": one("Conv2D", IMAGE, 4, 3, groups=2),
    "Conv3D": one("Conv3D", VOLUME, 3, 2),
    "Conv1DTranspose": one("Conv1DTranspose", SEQUENCE, 3, 2, strides=2),
    "Conv2DTranspose": one("Conv2DTranspose", IMAGE, 3, 3, strides=2, padding="same"),
    "Conv3DTranspose": one("Conv3DTranspose", VOLUME, 3, 2, strides=2),
    "DepthwiseConv1D": one("DepthwiseConv1D", SEQUENCE, 2, depth_multiplier=2),
    "DepthwiseConv2D": one("DepthwiseConv2D", IMAGE, 3),
    "SeparableConv1D": one("SeparableConv1D", SEQUENCE, 3, 2),
    "SeparableConv2D": one("SeparableConv2D", IMAGE, 3, 2, depth_multiplier=2),
    "MaxPooling1D": one("MaxPooling1D", SEQUENCE, 2),
    "MaxPooling2D": one("MaxPooling2D", IMAGE, 2, padding="same"),
    "MaxPooling3D": one("MaxPooling3D", VOLUME, 2),
    "AveragePooling1D": one("AveragePooling1D", SEQUENCE, 2),
    "AveragePooling2D": one("AveragePooling2D", IMAGE, 3, padding="same"),
    "AveragePooling3D": one("AveragePooling3D", VOLUME, 2),
    **{f"Global{k}Pooling{r}D": one(f"Global{k}Pooling{r}D", s) for k in ("Average", "Max")
       for r, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))},
    **{f"Adaptive{k}Pooling{r}D": one(f"Adaptive{k}Pooling{r}D", s, 3 if r < 3 else 4) for k in ("Average", "Max")
       for r, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))},
    "SimpleRNN": one("SimpleRNN", SEQUENCE, 3),
    "LSTM backwards": one("LSTM", SEQUENCE, 3, return_sequences=True, go_backwards=True),
    "LSTM relu": one("LSTM", SEQUENCE, 3, activation="relu", recurrent_activation="hard_sigmoid"),
    "GRU": one("GRU", SEQUENCE, 3),
    "GRU reset before": one("GRU", SEQUENCE, 3, reset_after=False),
    "Bidirectional": lambda: chain(SEQUENCE, L.Bidirectional(L.LSTM(3, return_sequences=True))),
    "any length": lambda: chain((None, 4), L.LSTM(3, return_sequences=True), L.Dense(2)),
    "SimpleRNN masked": lambda: words(L.SimpleRNN(3, return_sequences=True)),
    "LSTM masked": lambda: words(L.LSTM(3, return_sequences=True, go_backwards=True)),
    "GRU masked": lambda: chain(SEQUENCE, L.Masking(0.0), L.GRU(3, return_sequences=True)),
    "GRU masked, reset before": lambda: words(L.GRU(3, reset_after=False)),
    "Bidirectional masked": lambda: words(L.Bidirectional(L.LSTM(3, return_sequences=True))),
    "LSTM masked, any length": lambda: chain((None,), L.Embedding(9, 4, mask_zero=True), L.LSTM(3), dtype="int32"),
    "average of a masked sequence": lambda: words(L.GlobalAveragePooling1D()),
    "TimeDistributed": lambda: chain(SEQUENCE, L.TimeDistributed(L.Dense(2))),
    "Attention": lambda: joined(lambda a, b: L.Attention()([a, b]), SEQUENCE),
    "AdditiveAttention": lambda: joined(lambda a, b: L.AdditiveAttention()([a, b]), SEQUENCE),
    "MultiHeadAttention": attention,
    "MultiHeadAttention causal": lambda: attention(use_causal_mask=True),
    "MultiHeadAttention masked": masked_attention,
    "MultiHeadAttention scores": scores,
    "GroupQueryAttention": lambda: joined(lambda a, b: L.GroupQueryAttention(2, 4, 2)(a, b), SEQUENCE),
    "BatchNormalization": one("BatchNormalization", IMAGE),
    "LayerNormalization": one("LayerNormalization", SEQUENCE),
    "LayerNormalization of two axes": one("LayerNormalization", SEQUENCE, axis=[1, 2]),
    "LayerNormalization of the first axis": one("LayerNormalization", SEQUENCE, axis=1),
    "GroupNormalization": one("GroupNormalization", IMAGE, 2),
    "RMSNormalization": one("RMSNormalization", SEQUENCE),
    "UnitNormalization": one("UnitNormalization", SEQUENCE),
    "SpectralNormalization": lambda: chain(ROWS, L.SpectralNormalization(L.Dense(3))),
    "Normalization": one("Normalization", ROWS, mean=[0.0, 1.0, 2.0, 3.0], variance=[1.0, 2.0, 3.0, 4.0]),
    "Rescaling": one("Rescaling", IMAGE, 0.5, 1.0),
    "Discretization": one("Discretization", ROWS, bin_boundaries=[-1.0, 0.0, 1.0]),
    "CategoryEncoding": lambda: chain((3,), L.CategoryEncoding(9, output_mode="multi_hot"), dtype="int32"),
    **{k: one(k, ROWS, 0.5) for k in ("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout")},
    "SpatialDropout2D": one("SpatialDropout2D", IMAGE, 0.5),
    "ActivityRegularization": one("ActivityRegularization", ROWS, 0.1),
    "Reshape": one("Reshape", SEQUENCE, (2, -1)),
    "Flatten": one("Flatten", IMAGE),
    "Permute": one("Permute", SEQUENCE, (2, 1)),
    "RepeatVector": one("RepeatVector", ROWS, 3),
    **{f"{k}{r}D": one(f"{k}{r}D", s, 1) for k in ("Cropping", "ZeroPadding")
       for r, s in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME))},
    "UpSampling1D": one("UpSampling1D", SEQUENCE, 2),
    "UpSampling2D": one("UpSampling2D", IMAGE, 2),
    "UpSampling2D bicubic": one("UpSampling2D", IMAGE, 2, interpolation="bicubic"),
    "UpSampling3D": one("UpSampling3D", VOLUME, 2),
    **{f"Resizing {m}": one("Resizing", IMAGE, 5, 11, interpolation=m)
       for m in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")},
    "CenterCrop": one("CenterCrop", IMAGE, 4, 4),
    "RandomCrop": one("RandomCrop", IMAGE, 4, 4),
    "RandomFlip": one("RandomFlip", IMAGE),
    "RandomContrast": one("RandomContrast", IMAGE, 0.5),
    "RandomRotation": one("RandomRotation", IMAGE, 0.5),
    "STFTSpectrogram": one("STFTSpectrogram", (64, 1), frame_length=16, frame_step=8, fft_length=16),
    "PReLU": one("PReLU", IMAGE),
    "LeakyReLU": one("LeakyReLU", ROWS),
    "ELU": one("ELU", ROWS),
    "ReLU": one("ReLU", ROWS, 6.0, 0.1, 0.5),
    "Softmax": one("Softmax", ROWS),
    **{k: (lambda k=k: joined(lambda a, b: getattr(L, k)()([a, b])))
       for k in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")},
    "Dot": lambda: joined(lambda a, b: L.Dot(2, normalize=True)([a, b]), SEQUENCE),
    "Dense int8": lambda: quantized("int8", chain((8,), L.Dense(6, activation="relu"), L.Dense(3))),
    "Dense int4": lambda: quantized("int4", chain((8,), L.Dense(6, activation="relu"), L.Dense(3))),
    "EinsumDense int8": lambda: quantized("int8", chain((6, 8), L.EinsumDense("abc,cd->abd", (None, 5)))),
    "Embedding int8": lambda: quantized("int8", chain((6,), L.Embedding(9, 8), dtype="int32")),
    "Lambda cumsum": one("Lambda", SEQUENCE, lambda x: keras.ops.cumsum(x, axis=1)),
    **{f"activation {a}": one("Activation", ROWS, a) for a in (
        "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
        "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
        "softmax", "soft_shrink", "softplus", "softsign", "sparse_plus", "sparsemax", "squareplus", "sparse_sigmoid",
        "tanh", "tanh_shrink")},
}  # fmt: skip
