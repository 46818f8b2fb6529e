"""Models for files in both directions: each builder gets `keras`, this package's or the real one, and makes the same."""

from __future__ import annotations

import numpy as np

CASES = {}


def case(*shapes, train=True, ints=None):
    """Registers a builder: `shapes` of the inputs (without batch), whether training is free of chance, and for integer
    inputs their bound."""

    def register(fn):
        CASES[fn.__name__] = (fn, shapes, train, ints)
        return fn

    return register


def inputs_of(name):
    _, shapes, _, ints = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    arrays = [
        rng.integers(0, ints, size=(6, *s)).astype("int32") if ints else rng.normal(size=(6, *s)).astype("float32")
        for s in shapes
    ]
    return arrays[0] if len(arrays) == 1 else arrays


def stack(k, shape, *layers, **kwargs):
    return k.Sequential([k.Input(shape, **kwargs), *layers])


def make(keras, name):
    """The model of a case, compiled unless its builder did that."""
    fn = CASES[name][0]
    model = fn(keras, keras.layers)
    if not model.compiled:
        model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def targets_of(outputs, name):
    """Targets for outputs of these shapes."""
    rng = np.random.default_rng(7)
    if isinstance(outputs, dict):
        return {k: targets_of(outputs[k], name) for k in sorted(outputs)}
    if isinstance(outputs, (list, tuple)):
        return [targets_of(o, name) for o in outputs]
    return rng.uniform(size=np.shape(outputs)).astype("float32")


def losses_of(model, name, steps=3):
    """Losses of some steps of training on the case's data."""
    x = inputs_of(name)
    y = targets_of(model.predict_on_batch(x), name)
    found = []
    for _ in range(steps):
        value = model.train_on_batch(x, y)
        found.append(float(value[0] if isinstance(value, (list, tuple)) else value))
    return found


def flat(outputs):
    if isinstance(outputs, dict):
        return [a for k in sorted(outputs) for a in flat(outputs[k])]
    if isinstance(outputs, (list, tuple)):
        return [a for o in outputs for a in flat(o)]
    return [np.asarray(outputs, "float32")]


@case((4,))
def dense(k, L):
    r, c, i = k.regularizers, k.constraints, k.initializers
    return stack(
        k, (4,),
        L.Dense(5, activation="relu", kernel_regularizer=r.L1L2(1e-3, 1e-2), bias_constraint=c.MaxNorm(3.0)),
        L.Dense(4, activation="gelu", kernel_initializer=i.VarianceScaling(2.0, "fan_out", "uniform", seed=3)),
        L.Dense(3, kernel_constraint="non_neg", use_bias=False, activity_regularizer="l2"),
    )  # fmt: skip


@case((3, 4))
def einsum_dense(k, L):
    return stack(k, (3, 4), L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", activation="tanh"))


@case((4,), ints=7)
def embedding(k, L):
    return stack(k, (4,), L.Embedding(7, 3, mask_zero=True), L.LSTM(3), L.Dense(2), dtype="int32")


@case((4,))
def activations(k, L):
    layers = [L.Dense(4), L.PReLU(), L.Dense(4), L.LeakyReLU(0.2), L.ELU(0.5), L.ReLU(6.0, 0.1), L.Activation("swish")]
    return stack(k, (4,), *layers, L.Softmax())


@case((12, 3))
def conv_1d(k, L):
    return stack(
        k, (12, 3), L.Conv1D(4, 3, padding="causal"), L.Conv1DTranspose(3, 3, strides=2), L.DepthwiseConv1D(3),
        L.SeparableConv1D(4, 3, depth_multiplier=2), L.MaxPooling1D(), L.AveragePooling1D(2, padding="same"),
        L.GlobalMaxPooling1D(),
    )  # fmt: skip


@case((14, 14, 2))
def conv_2d(k, L):
    return stack(
        k, (14, 14, 2), L.Conv2D(4, (3, 2), dilation_rate=2, activation="relu"), L.DepthwiseConv2D(2, strides=2),
        L.Conv2DTranspose(3, 3, padding="same"), L.SeparableConv2D(2, 2), L.MaxPooling2D(2, 1), L.GlobalAveragePooling2D(),
    )  # fmt: skip


@case((5, 5, 5, 2))
def conv_3d(k, L):
    return stack(
        k, (5, 5, 5, 2), L.Conv3D(3, 2), L.AveragePooling3D(2), L.Conv3DTranspose(2, 2), L.MaxPooling3D(2),
        L.GlobalAveragePooling3D(),
    )  # fmt: skip


@case((6, 6, 4))
def grouped_conv(k, L):
    return stack(k, (6, 6, 4), L.Conv2D(4, 3, groups=2, use_bias=False, name="grouped"), L.Flatten(), L.Dense(2))


@case((6, 4))
def norms(k, L):
    return stack(
        k, (6, 4), L.BatchNormalization(momentum=0.8), L.LayerNormalization(), L.GroupNormalization(2),
        L.RMSNormalization(), L.UnitNormalization(), L.Dense(3), L.BatchNormalization(center=False, scale=False),
    )  # fmt: skip


@case((4,), train=False)
def spectral(k, L):
    return stack(k, (4,), L.SpectralNormalization(L.Dense(3)), L.Dense(2))


@case((6, 4))
def recurrent(k, L):
    return stack(
        k, (6, 4), L.LSTM(3, return_sequences=True), L.GRU(4, return_sequences=True), L.GRU(3, reset_after=False,
        return_sequences=True), L.SimpleRNN(5),
    )  # fmt: skip


@case((6, 4))
def cells(k, L):
    return stack(
        k, (6, 4), L.RNN(L.LSTMCell(3), return_sequences=True),
        L.RNN(L.StackedRNNCells([L.GRUCell(3), L.SimpleRNNCell(4), L.GRUCell(2)]), return_sequences=True),
        L.RNN([L.LSTMCell(2), L.LSTMCell(3)]),
    )  # fmt: skip


@case((6, 4))
def bidirectional(k, L):
    return stack(
        k, (6, 4), L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"),
        L.Bidirectional(L.GRU(2, return_sequences=True), backward_layer=L.SimpleRNN(2, return_sequences=True,
        go_backwards=True)), L.TimeDistributed(L.Dense(2)), L.GlobalAveragePooling1D(),
    )  # fmt: skip


@case((4, 5, 5, 2))
def conv_lstm(k, L):
    return stack(k, (4, 5, 5, 2), L.ConvLSTM2D(3, 2), L.Flatten(), L.Dense(2))


@case((5, 4))
def attention(k, L):
    x = k.Input((5, 4))
    y = L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    y = L.Add()([x, y])
    y = L.GroupQueryAttention(4, 4, 2)(y, y)
    y = L.Attention(use_scale=True, score_mode="dot")([y, x])
    y = L.AdditiveAttention()([y, x])
    return k.Model(x, L.GlobalAveragePooling1D()(y))


@case((4,), (4,))
def merging(k, L):
    a, b = k.Input((4,)), k.Input((4,))
    shared = L.Dense(4, name="both")
    p, q = shared(a), shared(b)
    parts = [
        L.Add()([p, q]), L.Subtract()([p, q]), L.Multiply()([p, q]), L.Average()([p, q, a]), L.Maximum()([p, q]),
        L.Minimum()([p, b]), L.Dot(axes=1, normalize=True)([p, q]),
    ]  # fmt: skip
    return k.Model([a, b], L.Dense(3)(L.Concatenate()(parts)))


@case((4, 6))
def reshaping(k, L):
    return stack(
        k, (4, 6), L.Permute((2, 1)), L.Reshape((3, 4, 2)), L.ZeroPadding2D(((1, 0), (2, 1))), L.Cropping2D(1),
        L.UpSampling2D((2, 3)), L.Flatten(), L.RepeatVector(2), L.Dense(2),
    )  # fmt: skip


@case((4, 6), train=False)
def noise(k, L):
    return stack(
        k, (4, 6), L.Dropout(0.3, seed=3), L.SpatialDropout1D(0.2), L.GaussianNoise(0.1), L.GaussianDropout(0.1),
        L.AlphaDropout(0.2), L.ActivityRegularization(0.1), L.Dense(2, name="d"), L.LSTM(3, dropout=0.2),
    )  # fmt: skip


@case((4,))
def scaling(k, L):
    normal = L.Normalization()
    normal.adapt(np.random.default_rng(5).normal(3.0, 2.0, size=(50, 4)).astype("float32"))
    return stack(k, (4,), L.Rescaling(0.5, 1.0), normal, L.Dense(2))


@case((4,), train=False)
def discretization(k, L):
    bins = L.Discretization(bin_boundaries=[-1.0, 0.0, 1.0])  # adapt() of Keras, and its lookups, need TensorFlow
    return stack(k, (4,), bins, L.Embedding(4, 3), L.Flatten(), L.Dense(2))


@case((4, 3))
def graph_of_ops(k, L):
    x = k.Input((4, 3))
    y = L.Dense(3)(x)
    y = k.ops.concatenate([y * 2.0 + x, k.ops.relu(1 - y), x[:, ::-1]], axis=-1)
    y = k.ops.mean(k.ops.reshape(y, (-1, 4, 9)), axis=1, keepdims=True)
    y = k.ops.squeeze(y, 1) / (k.ops.sum(k.ops.square(x), axis=(1, 2))[:, None] + 1.0)
    z = k.ops.softmax(k.ops.matmul(y, k.ops.ones((9, 2))))
    return k.Model(x, k.ops.where(z > 0.5, z, k.ops.clip(y[:, :2], -1.0, 1.0)))


@case((4,), (4,))
def nested_and_shared(k, L):
    inner = k.Sequential([L.Dense(3, activation="tanh"), L.BatchNormalization()], name="inner")
    i = k.Input((4,))
    middle = k.Model(i, [inner(i), L.Dense(2)(i)], name="middle")
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    (p, q), (r, s) = middle(a), middle(b)
    return k.Model({"a": a, "b": b}, {"left": L.Dense(2)(L.concatenate([p, r])), "right": L.add([q, s])})


@case((4,), (4,))
def nested_models_last(k, L):
    """Outputs straight out of nested models, as in GANs and autoencoders, and one model called twice."""
    i = k.Input((4,))
    first = k.Model(i, L.Dense(3, activation="tanh")(i), name="first")
    j = k.Input((3,))
    last = k.Model(j, L.Dense(2)(j), name="last")
    tail = k.Sequential([k.Input((3,)), L.Dense(2)], name="tail")
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    p, q = first(a), first(b)
    return k.Model([a, b], [last(p), last(q), tail(q), p, tail(p)])


@case((4,))
def compiled_in_detail(k, L):
    x = k.Input((4,))
    y = L.Dense(6, activation="relu")(x)
    model = k.Model(x, [L.Dense(3, activation="softmax", name="p")(y), L.Dense(1, name="q")(y)])
    schedule = k.optimizers.schedules.CosineDecay(0.05, 10, warmup_target=0.1, warmup_steps=2)
    model.compile(
        k.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0, use_ema=True),
        loss={"p": k.losses.CategoricalCrossentropy(label_smoothing=0.1), "q": k.losses.Huber()},
        loss_weights={"p": 1.0, "q": 0.5}, metrics={"p": ["accuracy", k.metrics.AUC()], "q": ["mae"]},
    )  # fmt: skip
    return model


def _optimizer_case(name, make_optimizer):
    def build(k, L):
        model = stack(k, (4,), L.Dense(3, activation="tanh"), L.BatchNormalization(), L.Dense(2))
        model.compile(make_optimizer(k.optimizers), "mae", metrics=["mse"])
        return model

    build.__name__ = f"optimizer_{name}"
    case((4,))(build)


for _name, _make in {
    "sgd": lambda o: o.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda o: o.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda o: o.Adam(o.schedules.ExponentialDecay(0.05, 2, 0.5), amsgrad=True, clipnorm=0.5),
    "adamax": lambda o: o.Adamax(0.01, weight_decay=0.1),
    "nadam": lambda o: o.Nadam(0.01),
    "adagrad": lambda o: o.Adagrad(0.1),
    "adadelta": lambda o: o.Adadelta(1.0),
    "ftrl": lambda o: o.Ftrl(0.1, l1_regularization_strength=0.01),
    "lion": lambda o: o.Lion(0.01),
    "lamb": lambda o: o.Lamb(0.01),
    "adafactor": lambda o: o.Adafactor(0.01),
    "muon": lambda o: o.Muon(0.01),
    "accumulating": lambda o: o.Adam(0.01, gradient_accumulation_steps=2),
    "loss_scale": lambda o: o.LossScaleOptimizer(o.SGD(0.1, momentum=0.9)),
}.items():
    _optimizer_case(_name, _make)


@case((4,), train=False)
def half_precision(k, L):
    return stack(
        k, (4,), L.Dense(8, dtype="mixed_bfloat16"), L.LayerNormalization(dtype="bfloat16"), L.Dense(2, dtype="float32")
    )


@case((4,))
def frozen(k, L):
    model = stack(k, (4,), L.Dense(3, trainable=False), L.Dense(3), L.BatchNormalization(trainable=False), L.Dense(2))
    model.layers[1].trainable = False
    return model


def _custom(k):
    """Classes of a user, registered with either package."""
    L = k.layers

    @k.saving.register_keras_serializable(package="cases")
    class Block(L.Layer):
        """Layers in lists, dicts, lists within lists, and weights of its own."""

        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.list = [L.Dense(units), L.Dense(units)]
            self.named = {"z": L.Dense(units), "a": L.LayerNormalization()}
            self.deep = [[L.Dense(units)], [L.Dense(units, use_bias=False)]]
            self._private = L.Dense(units)

        def build(self, input_shape):
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="int32", name="count")
            shape = input_shape
            for layer in (*self.list, *self.named.values(), self.deep[0][0], self.deep[1][0], self._private):
                layer.build(shape)
                shape = (*shape[:-1], self.units)
            super().build(input_shape)

        def call(self, x):
            self.count.assign(self.count + 1)
            for layer in (*self.list, *self.named.values(), self.deep[0][0], self.deep[1][0], self._private):
                x = layer(x)
            return x * self.scale

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    @k.saving.register_keras_serializable(package="cases")
    def steep(x):
        return k.ops.tanh(3.0 * x)

    @k.saving.register_keras_serializable(package="cases")
    def cubic(y_true, y_pred):
        return k.ops.mean(k.ops.abs(y_true - y_pred) ** 3, axis=-1)

    return Block, steep, cubic


@case((4,))
def custom_objects(k, L):
    Block, steep, cubic = _custom(k)
    model = stack(k, (4,), Block(3), L.Dense(2, activation=steep))
    model.compile("sgd", cubic)
    return model


@case((4,))
def subclassed(k, L):
    Block, _, _ = _custom(k)

    @k.saving.register_keras_serializable(package="cases")
    class Net(k.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.zz_first = L.Dense(units)
            self.block = Block(units)
            self.norm = L.BatchNormalization()
            self._head = k.Sequential([L.Dense(2), L.Dense(2)])

        def call(self, x, training=False):
            return self._head(self.norm(self.block(self.zz_first(x)), training=training))

        def get_config(self):
            return {"units": self.units, "name": self.name}

    model = Net(3)
    model(np.zeros((2, 4), "float32"))
    return model
