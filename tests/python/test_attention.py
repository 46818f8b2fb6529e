"""Attention beyond its row: gradients against the plain formula, rows that see no key, dtypes, the public function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tahr
from op_rows.attention import SHAPES, attention, attention_grad
from tahr import _C

NAMES = ("query", "key", "value")


def drawn(shapes: Any, dtype: str) -> list[Any]:
    rng = np.random.default_rng(3)
    values: list[Any] = [None if s is None else rng.uniform(-1, 1, s).astype(dtype) for s in shapes[:4]]
    return [*values, None if shapes[4] is None else rng.uniform(size=shapes[4]) < 0.7]


def gradients(values: list[Any], dy: np.ndarray, at: dict[str, Any]) -> list[np.ndarray]:
    tensors = [None if v is None else tahr.constant(v) for v in values]
    with tahr.GradientTape() as tape:
        for t in tensors[:3]:
            tape.watch(t)
        out = _C.ops.attention(*tensors, **at)[0]
        loss = tahr.reduce_sum(out * dy)
    return [g.numpy() for g in tape.gradient(loss, tensors[:3])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(len(SHAPES)))
def test_gradients_against_the_formula(case: int, dtype: str):
    shapes, at = SHAPES[case]
    values = drawn(shapes, dtype)
    rng = np.random.default_rng(4)
    dy = rng.uniform(-1, 1, (*shapes[0][:3], shapes[2][3])).astype(dtype)
    wide = [v if v is None or v.dtype == bool else v.astype("float64") for v in values]
    expected = attention_grad(dy.astype("float64"), *wide[:3], None, None, *wide[3:], **at)
    # Sums over queries or keys of products below 1.
    bound = np.finfo(dtype).eps * 4 * (shapes[0][1] + shapes[1][1] + 16)
    for name, got, want in zip(NAMES, gradients(values, dy, at), expected):
        assert np.abs(got - want).max() < bound, name


@pytest.mark.parametrize("causal", [False, True])
def test_several_tiles_in_a_chunk_and_the_same_bits_with_any_threads(causal: bool):
    """Tiles of 64 queries share blocks of 256 keys; heads of queries share heads of keys."""
    values = drawn(((3, 200, 8, 5), (3, 600, 4, 5), (3, 600, 4, 7), None, None), "float32")
    at = {"scale": 0.4, "causal": causal}
    dy = np.random.default_rng(4).uniform(-1, 1, (3, 200, 8, 7)).astype("float32")
    found = []
    before = tahr.config.num_threads()
    try:
        for threads in (1, 2, 3):
            tahr.config.set_num_threads(threads)
            found.append([_C.ops.attention(*values, **at)[0].numpy(), *gradients(values, dy, at)])
    finally:
        tahr.config.set_num_threads(before)
    for one, other in zip(found[0] * 2, found[1] + found[2]):
        np.testing.assert_array_equal(one, other)
    wide = [v if v is None else v.astype("float64") for v in values]
    expected = [attention(*wide, **at)[0]]
    expected += attention_grad(dy.astype("float64"), *wide[:3], None, None, *wide[3:], **at)
    for got, want in zip(found[0], expected):
        assert np.abs(got - want).max() < np.finfo("float32").eps * 4 * 816


@pytest.mark.parametrize("causal", [False, True])
def test_a_query_that_sees_nothing_takes_the_mean(causal: bool):
    shapes = ((1, 5, 2, 4), (1, 300, 2, 4), (1, 300, 2, 3), None, (1, 1, 5, 300))
    values = drawn(shapes, "float32")
    values[4][..., 1, :] = False
    values[4][..., 3, : 4 if causal else 300] = False
    at = {"scale": 0.5, "causal": causal}
    out = _C.ops.attention(*values, **at)[0].numpy()
    expected = attention(*[v if v is None else v.astype("float64") if v.dtype != bool else v for v in values], **at)[0]
    np.testing.assert_allclose(out, expected, atol=1e-5)
    np.testing.assert_allclose(out[0, 1], values[2][0].mean(0), atol=1e-5)
    dq, _, dv = gradients(values, np.ones_like(out), at)
    assert not dq[0, 1].any() and not dq[0, 3].any()  # nothing to learn about whom to attend to
    assert (dv > 0).all()


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_second_gradients_with_a_mask(which: int):
    """The derivative of |gradient|² of one input, by central differences in float64."""
    shapes = ((1, 3, 2, 2), (1, 4, 1, 2), (1, 4, 1, 2), (1, 1, 3, 4), (1, 1, 3, 4))
    values = drawn(shapes, "float64")
    values[4][..., 1, :] = False
    at = {"scale": 0.7, "causal": True}

    def squares(values: list[Any]) -> tuple[Any, list[Any]]:
        tensors = [tahr.constant(v) for v in values]
        with tahr.GradientTape() as outer:
            outer.watch(tensors[which])
            with tahr.GradientTape() as inner:
                for t in tensors[:4]:
                    inner.watch(t)
                out = _C.ops.attention(*tensors, **at)[0]
                loss = tahr.reduce_sum(out * out)
            total = sum(tahr.reduce_sum(g * g) for g in inner.gradient(loss, tensors[:4]))
        return total, outer.gradient(total, tensors[which])

    got = squares(values)[1].numpy()
    for index in np.ndindex(values[which].shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = list(values)
            moved[which] = values[which].copy()
            moved[which][index] += step
            ends.append(float(squares(moved)[0]))
        assert abs(got[index] - (ends[0] - ends[1]) / 2e-5) < 1e-6


def test_same_bits_at_any_thread_count():
    shapes = ((2, 130, 4, 16), (2, 130, 2, 16), (2, 130, 2, 16), None, None)
    values = drawn(shapes, "float32")
    dy = np.random.default_rng(1).normal(size=(2, 130, 4, 16)).astype("float32")
    before, results = tahr.config.num_threads(), []
    try:
        for n in (1, 2, 5):
            tahr.config.set_num_threads(n)
            results.append([g.tobytes() for g in gradients(values, dy, {"scale": 0.25, "causal": True})])
    finally:
        tahr.config.set_num_threads(before)
    assert all(r == results[0] for r in results)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_public_function(dtype: str):
    shapes = ((2, 5, 4, 8), (2, 6, 2, 8), (2, 6, 2, 8), (4, 5, 6), (5, 6))
    q, k, v, bias, mask = drawn(shapes, "float64")
    q, k, v = (tahr.cast(x, dtype) for x in (q, k, v))
    wide = [x.numpy().astype("float64") for x in (q, k, v)]
    expected = attention(*wide, bias[None], mask[None, None], scale=8**-0.5)[0]
    for flash in (None, True, False):
        got = tahr.ops.dot_product_attention(q, k, v, bias=bias, mask=mask, flash_attention=flash)
        assert got.dtype == dtype
        eps = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-6, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(got.numpy().astype("float64"), expected, atol=eps)


def test_a_cap_of_the_scores():
    q, k, v, _, _ = drawn(((1, 3, 1, 4), (1, 3, 1, 4), (1, 3, 1, 4), None, None), "float64")
    s = q[0, :, 0] @ k[0, :, 0].T * 2
    e = np.exp(0.5 * np.tanh(s / 0.5))
    got = tahr.ops.dot_product_attention(q, k, v, scale=2.0, attn_logits_soft_cap=0.5).numpy()
    np.testing.assert_allclose(got[0, :, 0], e / e.sum(-1, keepdims=True) @ v[0, :, 0], atol=1e-12)
    with pytest.raises(ValueError, match=r"\[dot_product_attention\] expected flash_attention=None or False"):
        tahr.ops.dot_product_attention(q, k, v, attn_logits_soft_cap=0.5, flash_attention=True)
