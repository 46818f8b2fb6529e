"""Recurrent layers to compare with real Keras; run as a script, it writes real Keras's gradients to a file."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

SHAPE = (3, 6, 4)

LSTM, GRU, RNN = "LSTM", "GRU", "SimpleRNN"
CASES: list[tuple[str, dict[str, Any]]] = [
    (LSTM, dict(units=5)),
    (LSTM, dict(units=5, return_sequences=True, return_state=True)),
    (LSTM, dict(units=17, go_backwards=True, return_sequences=True, unit_forget_bias=False)),
    (LSTM, dict(units=5, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False)),
    (LSTM, dict(units=5, activation="softsign", recurrent_activation="sigmoid", return_sequences=True)),
    (LSTM, dict(units=5, stateful=True, return_sequences=True)),
    (LSTM, dict(units=5, unroll=True, implementation=1)),
    (LSTM, dict(units=5, zero_output_for_mask=True, return_sequences=True)),
    (GRU, dict(units=5)),
    (GRU, dict(units=5, return_sequences=True, return_state=True, go_backwards=True)),
    (GRU, dict(units=17, reset_after=False, return_sequences=True)),
    (GRU, dict(units=5, reset_after=False, use_bias=False, go_backwards=True)),
    (GRU, dict(units=5, activation="elu", recurrent_activation="softsign", return_sequences=True)),
    (GRU, dict(units=5, activation="elu", reset_after=False, go_backwards=True, return_state=True)),
    (GRU, dict(units=5, stateful=True)),
    (RNN, dict(units=5)),
    (RNN, dict(units=17, activation="relu", return_sequences=True, return_state=True)),
    (RNN, dict(units=5, activation=None, use_bias=False, go_backwards=True)),
    (RNN, dict(units=5, activation="softplus", unroll=True, return_sequences=True)),
    ("RNN", dict(cells=[(LSTM, 4), (GRU, 3), (RNN, 5)], return_sequences=True, return_state=True)),
    ("RNN", dict(cells=[(GRU, 3)], go_backwards=True)),
    ("RNN", dict(cells=[(LSTM, 4), (LSTM, 4)], zero_output_for_mask=True, return_sequences=True)),
    ("Bidirectional", dict(layer=(LSTM, 4), merge_mode="concat", return_sequences=True)),
    ("Bidirectional", dict(layer=(GRU, 4), merge_mode="ave")),
    ("Bidirectional", dict(layer=(RNN, 4), merge_mode="mul", return_sequences=True)),
    ("Bidirectional", dict(layer=(LSTM, 4), merge_mode=None, return_state=True)),
    ("Bidirectional", dict(layer=(LSTM, 4), merge_mode="sum")),
    ("ConvLSTM1D", dict(filters=3, kernel_size=3)),
    ("ConvLSTM1D", dict(filters=2, kernel_size=2, strides=2, padding="same", go_backwards=True, return_state=True)),
    ("ConvLSTM2D", dict(filters=2, kernel_size=(3, 2), padding="same", return_sequences=True)),
    (
        "ConvLSTM2D",
        dict(filters=2, kernel_size=2, dilation_rate=2, use_bias=False, recurrent_activation="hard_sigmoid"),
    ),
    ("ConvLSTM3D", dict(filters=2, kernel_size=2, return_sequences=True, unroll=True)),
    ("TimeDistributed", dict(layer=("Dense", 5))),
    ("TimeDistributed", dict(layer=("Masking", 0.0))),
]


def build(keras: Any, case: tuple[str, dict[str, Any]]) -> Any:
    """The layer of a case; `keras` is real Keras or this package's."""
    name, arguments = case[0], dict(case[1])
    layers = keras.layers
    if name == "RNN":
        cells = [getattr(layers, f"{kind}Cell")(units) for kind, units in arguments.pop("cells")]
        return layers.RNN(cells if len(cells) > 1 else cells[0], **arguments)
    if name == "Bidirectional":
        kind, units = arguments.pop("layer")
        mode = arguments.pop("merge_mode")
        return layers.Bidirectional(getattr(layers, kind)(units, **arguments), merge_mode=mode)
    if name == "TimeDistributed":
        kind, units = arguments.pop("layer")
        return layers.TimeDistributed(getattr(layers, kind)(units))
    return getattr(layers, name)(**arguments)


def shape(case: tuple[str, dict[str, Any]]) -> tuple[int, ...]:
    """The shape of the inputs: 3 sequences of 6 steps."""
    spatial = {"ConvLSTM1D": (5,), "ConvLSTM2D": (4, 5), "ConvLSTM3D": (3, 3, 4)}.get(case[0], ())
    return (*SHAPE[:2], *spatial, 2 if spatial else SHAPE[2])


def inputs(case: tuple[str, dict[str, Any]]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape(case)).astype("float32")


def mask() -> np.ndarray:
    """Padding at the end, a gap, and a row that starts late."""
    kept = np.ones(SHAPE[:2], dtype=bool)
    kept[0, 4:] = False
    kept[1, 2:4] = False
    kept[2, :2] = False
    return kept


def weights_for(layer: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [
        w if w.dtype != np.float32 else rng.uniform(-0.6, 0.6, w.shape).astype("float32") for w in layer.get_weights()
    ]


def cotangent(i: int, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of output i, each element's its own."""
    return np.cos(np.arange(np.prod(shape)) + i).reshape(shape).astype("float32")


def loss(ops: Any, outputs: list[Any]) -> Any:
    """A scalar that weighs every element of every output differently."""
    total = 0.0
    for i, y in enumerate(outputs):
        total = total + ops.sum(y * cotangent(i, y.shape))
    return total


def main(path: str) -> None:
    from jax_calls import differentiate, keras

    found = {}
    for index, case in enumerate(CASES):
        layer = build(keras, case)
        layer.build(shape(case))
        layer.set_weights(weights_for(layer))
        for masked in (False, True):
            kept = mask() if masked else None
            if masked and case[0].startswith("ConvLSTM"):  # Keras lays masks of rank 2 along the wrong axis of these
                kept = kept.reshape(*kept.shape, *[1] * (len(shape(case)) - 2))
            first = differentiate(layer, [inputs(case)], cotangent, mask=kept)
            found |= {f"outputs-{index}-{int(masked)}-{i}": y for i, y in enumerate(first.outputs)}
            found |= {f"{index}-{int(masked)}-{i}": g for i, g in enumerate([*first.inputs, *first.weights])}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
