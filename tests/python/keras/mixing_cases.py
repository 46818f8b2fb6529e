"""Calls of normalisations, attention and EinsumDense that are compared with real Keras: see mixing_reference.py."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    name: str
    arguments: dict[str, Any]
    shapes: list[tuple[int, ...]]
    call: dict[str, Any] = {}
    as_list: bool = False  # inputs are one list
    scores: bool = False  # the call returns (outputs, scores)
    steps: int = 0  # training calls that follow, after which the weights are compared


def _mask(*shape: int) -> np.ndarray:
    mask = np.random.default_rng(5).uniform(size=shape) < 0.7
    mask[..., 0] = True  # for a query that sees nothing, Keras's backends differ among themselves
    return mask


TRAIN = {"training": True}
NORMS = [
    Case("BatchNormalization", {}, [(8, 4)]),
    Case("BatchNormalization", {}, [(8, 4)], TRAIN, steps=3),
    Case("BatchNormalization", {"momentum": 0.7, "epsilon": 0.1}, [(4, 3, 5, 6)], TRAIN, steps=3),
    Case("BatchNormalization", {"axis": 1, "center": False}, [(4, 3, 5)], TRAIN, steps=2),
    Case("BatchNormalization", {"scale": False, "moving_mean_initializer": "ones"}, [(4, 3, 5)], TRAIN, steps=2),
    Case("BatchNormalization", {"trainable": False}, [(4, 3)], TRAIN, steps=2),
    Case("BatchNormalization", {}, [(4, 3, 5)], {"training": True, "mask": _mask(4, 3)}, steps=2),
    Case("BatchNormalization", {"renorm": True}, [(8, 4)], TRAIN, steps=3),
    Case(
        "BatchNormalization",
        {"renorm": True, "renorm_clipping": {"rmax": 1.1, "rmin": 0.9, "dmax": 0.1}, "scale": False},
        [(8, 4)],
        TRAIN,
        steps=3,
    ),
    Case("LayerNormalization", {}, [(3, 4, 5)]),
    Case("LayerNormalization", {"axis": [1, 2], "gamma_regularizer": "l2"}, [(3, 4, 5)]),
    Case("LayerNormalization", {"axis": (2, 1), "epsilon": 0.1, "scale": False}, [(3, 4, 5)]),
    Case("LayerNormalization", {"center": False}, [(3, 5)]),
    Case("GroupNormalization", {"groups": 2}, [(3, 5, 6)]),
    Case("GroupNormalization", {"groups": -1, "center": False}, [(3, 5, 4, 6)]),
    Case("GroupNormalization", {"groups": 3, "axis": 1, "scale": False}, [(3, 6, 5)]),
    Case("RMSNormalization", {}, [(3, 4, 5)]),
    Case("RMSNormalization", {"epsilon": 0.1}, [(3, 5)]),
    Case("UnitNormalization", {}, [(3, 4, 5)]),
    Case("UnitNormalization", {"axis": (1, 2)}, [(3, 4, 5)]),
]
QV = [(2, 5, 6), (2, 7, 6)]
QVK = [(2, 5, 6), (2, 7, 3), (2, 7, 6)]
MASKS = {"mask": [_mask(2, 5), _mask(2, 7)]}
ATTENTION = [
    Case(name, arguments, shapes, call, as_list=True, scores=bool(call.get("return_attention_scores")))
    for name, arguments in [
        ("Attention", {}),
        ("Attention", {"use_scale": True}),
        ("Attention", {"score_mode": "concat", "use_scale": True}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False}),
    ]
    for shapes, call in [
        (QV, {}),
        (QVK, {"use_causal_mask": True}),
        (QVK, {"return_attention_scores": True, **MASKS}),
        (QV, {"use_causal_mask": True, **MASKS}),
    ]
]
MULTI = {"num_heads": 2, "key_dim": 3}
GROUPED = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
HEADS = [
    Case(name, arguments, shapes, call, scores=bool(call.get("return_attention_scores")))
    for name, arguments in [
        ("MultiHeadAttention", MULTI),
        ("MultiHeadAttention", {**MULTI, "value_dim": 4, "output_shape": 5, "use_gate": True, "use_bias": False}),
        ("MultiHeadAttention", {**MULTI, "sliding_window": 2, "bias_initializer": "ones"}),
        ("GroupQueryAttention", GROUPED),
        ("GroupQueryAttention", {**GROUPED, "num_key_value_heads": 1, "use_gate": True}),
        ("GroupQueryAttention", {**GROUPED, "sliding_window": 3, "use_bias": False}),
    ]
    for shapes, call in [
        (QV, {}),
        (QV, {"use_causal_mask": True}),
        ([(2, 5, 6), (2, 7, 6), (2, 7, 4)], {"attention_mask": _mask(2, 5, 7)}),
        (QV, {"return_attention_scores": True, "use_causal_mask": True}),
        (QV, {"attention_mask": _mask(1, 5, 7), "use_causal_mask": True, "training": True}),
    ]
]
HEADS += [
    Case("MultiHeadAttention", {**MULTI, "attention_axes": (1, 2)}, [(2, 3, 4, 5)] * 2),
    Case("MultiHeadAttention", {**MULTI, "attention_axes": 2}, [(2, 3, 4, 5)] * 2, {"use_causal_mask": False}),
    Case("MultiHeadAttention", {**MULTI, "output_shape": (2, 3)}, QV),
    Case("MultiHeadAttention", {**MULTI, "kernel_regularizer": "l2", "activity_regularizer": "l1"}, QV),
    Case("GroupQueryAttention", {**GROUPED, "kernel_regularizer": "l2", "activity_regularizer": "l1"}, QV),
]
EINSUM = [
    Case("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c"}, [(3, 5)]),
    Case(
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de", "activation": "tanh"},
        [(2, 4, 5)],
    ),
    Case("EinsumDense", {"equation": "abc,bd->adc", "output_shape": (3, None), "bias_axes": "d"}, [(2, 4, 5)]),
    Case("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, [(2, 3, 4, 5)]),
    Case("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 4, "bias_axes": "c"}, [(2, 3, 4, 5)]),
    Case("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 4), "lora_rank": 2}, [(2, 4, 5)]),
    Case(
        "EinsumDense",
        {
            "equation": "abcd,cde->abe",
            "output_shape": (None, 3),
            "lora_rank": 2,
            "lora_alpha": 3,
            "kernel_regularizer": "l2",
        },
        [(2, 3, 4, 5)],
    ),
]
CASES = NORMS + ATTENTION + HEADS + EINSUM
