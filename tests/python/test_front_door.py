"""What users may hand to the engine: odd arrays, numbers out of range, wrong arguments: a value or a clear error."""

import copy
import pickle

import numpy as np
import pytest
import tahr
from tahr import ops

X = tahr.constant([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("dtype", [">f4", ">i8", ">u2"])
def test_swapped_bytes_keep_rank_and_value(dtype):
    for a in (np.array(3, dtype), np.arange(6).astype(dtype).reshape(2, 3).T, np.zeros((0, 2), dtype)):
        t = tahr.constant(a)
        assert t.shape == a.shape
        np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize(
    "number, dtype",
    [(300, "uint8"), (-1, "uint16"), (2**31, "int32"), (2**63, "int64"), (2**64, "uint64"), (float("nan"), "int32")]
    + [(float("inf"), "int64"), (1e10, "int32"), (10**400, "float32")],
)
def test_numbers_beyond_the_dtype_are_refused(number, dtype):
    with pytest.raises(ValueError, match=rf"\[constant\] expected a number within the range of {dtype}"):
        tahr.constant(number, dtype)
    with pytest.raises((ValueError, TypeError)):
        tahr.constant([1, 2], dtype) + number if dtype[0] != "f" and isinstance(number, int) else tahr.constant(
            [number], dtype
        )


def test_the_ends_of_integer_ranges_are_accepted():
    for name in ("int8", "uint8", "int32", "uint32", "int64", "uint64"):
        info = np.iinfo(name)
        for end in (info.min, info.max):
            assert int(tahr.constant(end, name)) == end
            assert int(tahr.constant([end], name)[0]) == end
    assert tahr.constant(2**63).dtype == "uint64"


def test_a_list_that_contains_itself_is_refused():
    a = []
    a.append(a)
    for f in (tahr.constant, ops.abs):
        with pytest.raises(RecursionError):
            f(a)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tahr.zeros((2**61,), "float64"),
        lambda: ops.ones((2**62,), dtype="uint8"),
        lambda: ops.broadcast_to(tahr.constant(1.0), (2**31, 2**31)),
        lambda: ops.tile(tahr.constant([1.0]), (2**62,)),
    ],
)
def test_tensors_larger_than_memory_are_an_error(make):
    with pytest.raises(MemoryError, match="out of memory"):
        make()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ops.stack([None, None]), TypeError, r"\[stack\] expected a list of tensors, received None"),
        (lambda: ops.concatenate(3), TypeError, r"\[concatenate\] expected xs as a list of tensors, received int"),
        (lambda: ops.sum(X, keepdims="False"), TypeError, r"\[sum\] expected keepdims as .*, received 'False'"),
        (lambda: ops.sum(X, keepdims=[0]), TypeError, r"\[sum\] expected keepdims"),
        (lambda: ops.sum(X, axis=10**30), ValueError, r"\[sum\] expected axis as .* of at most 64 bits"),
        (lambda: ops.sum(X, axis=float("nan")), TypeError, r"\[sum\] expected axis as an int"),
        (lambda: ops.quantile(X, 1.5), ValueError, r"\[quantile\] expected `q` in \[0, 1\], received 1.5"),
        (lambda: ops.quantile(X, float("nan")), ValueError, r"\[quantile\] expected `q` in \[0, 1\]"),
        (lambda: ops.diagflat(X, k=2**62), ValueError, r"\[diagflat\] expected k"),
        (lambda: ops.pad(X[0], ((2**62, 2**62),)), ValueError, r"\[pad.*\] expected widths"),
        (lambda: pow(X, 2, 3), TypeError, "pow"),
        (lambda: ops.add("a", X), TypeError, r"\[add\] expected numbers"),
        (lambda: X[1.0], TypeError, r"\[index\]"),
        (lambda: tahr.constant(np.zeros((1,) * 9)), ValueError, "at most 8 dimensions"),
    ],
)
def test_wrong_arguments_name_the_op_and_what_it_expects(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_diagonals_far_outside_the_matrix():
    for far in (2**63 - 1, 2**40):
        np.testing.assert_array_equal(ops.tril(X, k=far), X)
        np.testing.assert_array_equal(ops.triu(X, k=-far), X)
        np.testing.assert_array_equal(ops.tril(X, k=-far), np.zeros((2, 2)))
        np.testing.assert_array_equal(ops.triu(X, k=far), np.zeros((2, 2)))
        np.testing.assert_array_equal(ops.tri(2, k=far), np.ones((2, 2)))
        np.testing.assert_array_equal(ops.eye(2, k=far), np.zeros((2, 2)))
        np.testing.assert_array_equal(ops.eye(2, k=-far - 1), np.zeros((2, 2)))
        assert ops.diagonal(X, offset=far).shape == ops.diagonal(X, offset=-far - 1).shape == (0,)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint64", "bool"])
def test_pickles_and_copies(dtype):
    t = tahr.cast(X, dtype)
    for u in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t)):
        assert u.dtype == dtype
        np.testing.assert_array_equal(u, t)


def test_none_and_strings_compare_unequal():
    assert (X == None) is False and (X != None) is True  # noqa: E711
    assert (X == "a") is False
    with pytest.raises(TypeError):
        X < "a"  # noqa: B015
    assert X in {X} and len({X: 1, tahr.constant(1.0): 2}) == 2


class TestDLPack:
    @pytest.fixture(autouse=True)
    def _with_torch(self):
        self.torch = pytest.importorskip("torch")

    def test_empty_arrays_are_no_symbolic_tensors(self):
        t = tahr.from_dlpack(self.torch.zeros((0, 3)))
        assert not t.is_symbolic
        assert (t + 1).numpy().shape == (0, 3)
        assert tuple(self.torch.from_dlpack(t).shape) == (0, 3)

    def test_memory_lives_as_long_as_someone_looks(self):
        theirs = self.torch.arange(1000.0)
        ours = tahr.from_dlpack(theirs)
        del theirs
        back = self.torch.from_dlpack(ours + 1)
        _ = [tahr.zeros((1000,)) for _ in range(8)]
        assert float(back.sum()) == 500500.0
        assert float(ops.sum(ours)) == 499500.0

    def test_a_copy_is_a_copy(self):
        t = tahr.constant([1.0, 2.0])
        copied = tahr.from_dlpack(t.__dlpack__(copy=True))
        shared = tahr.from_dlpack(t.__dlpack__())
        assert tahr._C.storage_address(shared) == tahr._C.storage_address(t)
        assert tahr._C.storage_address(copied) != tahr._C.storage_address(t)

    def test_a_capsule_is_taken_once(self):
        capsule = X.__dlpack__()
        tahr.from_dlpack(capsule)
        with pytest.raises(ValueError, match=r"\[from_dlpack\] expected a fresh DLPack capsule"):
            tahr.from_dlpack(capsule)


class TestLoopsOverSlices:
    def test_no_slice_at_all(self):
        empty = tahr.zeros((0, 2))
        assert ops.map(lambda a: ops.sum(a) * 2.0, empty).shape == (0,)
        assert ops.map(lambda a: a, tahr.zeros((0,), "int32")).dtype == "int32"
        carry, ys = ops.scan(lambda c, a: (c + 1.0, ops.concatenate([a, a])), tahr.constant(5.0), empty)
        assert float(carry) == 5.0 and ys.shape == (0, 4)
        assert ops.associative_scan(lambda a, b: a + b, empty).shape == (0, 2)

    def test_unequal_lengths_are_refused(self):
        for xs in ((X, X[0:1]), tahr.constant(1.0)):
            with pytest.raises(ValueError, match=r"\[map\] expected tensors with an equal first dimension"):
                ops.map(lambda x: x, xs)
