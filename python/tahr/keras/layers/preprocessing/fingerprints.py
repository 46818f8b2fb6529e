"""Hashes of byte strings, the same everywhere and for ever: FarmHash's Fingerprint64 and SipHash-2-4.

Both work on a block of strings of one length, an array of bytes (strings, length), and on all of them at once: what
they do depends on the length alone. `hash_strings` sorts any strings into such blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_K0 = np.uint64(0xC3A5C85C97CB3127)
_K1 = np.uint64(0xB492B66FBE98F273)
_K2 = np.uint64(0x9AE16A3B2F90404F)
_MASK = (1 << 64) - 1


def _u64(value: int) -> np.uint64:
    return np.uint64(value & _MASK)


def _rotate_right(x: np.ndarray, bits: int) -> np.ndarray:
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))


def _rotate_left(x: np.ndarray, bits: int) -> np.ndarray:
    return _rotate_right(x, 64 - bits)


def _shift_mix(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> np.uint64(47))


def _word(block: np.ndarray, at: int, dtype: str = "<u8") -> np.ndarray:
    """The little-endian words that begin at byte `at` of each string."""
    size = np.dtype(dtype).itemsize
    return np.ascontiguousarray(block[:, at : at + size]).view(dtype)[:, 0].astype(np.uint64)


def _join(u: np.ndarray, v: np.ndarray, mul: np.ndarray | np.uint64) -> np.ndarray:
    a = _shift_mix((u ^ v) * mul)
    return _shift_mix((v ^ a) * mul) * mul


def fingerprint64(block: np.ndarray) -> np.ndarray:
    """FarmHash's Fingerprint64 of each row of `block` (strings, length) of uint8; uint64 of shape (strings,).

    Source: FarmHash (G. Pike, 2014), the portable 64-bit variant whose values are fixed.
    """
    n, length = block.shape
    size = _u64(length)
    mul = _u64(0x9AE16A3B2F90404F + 2 * length)
    if length == 0:
        return np.full(n, _K2)
    if length < 4:
        first, middle, last = (block[:, i].astype(np.uint64) for i in (0, length >> 1, length - 1))
        y, z = first + (middle << np.uint64(8)), size + (last << np.uint64(2))
        return _shift_mix(y * _K2 ^ z * _K0) * _K2
    if length < 8:
        head = size + (_word(block, 0, "<u4") << np.uint64(3))
        return _join(head, _word(block, length - 4, "<u4"), mul)
    if length <= 16:
        a, b = _word(block, 0) + _K2, _word(block, length - 8)
        return _join(_rotate_right(b, 37) * mul + a, (_rotate_right(a, 25) + b) * mul, mul)
    if length <= 32:
        u, v, _ = _ends(block, _K1, mul)
        return _join(u, v, mul)
    if length <= 64:
        y, v, a = _ends(block, _K2, mul)
        z = _join(y, v, mul)
        e, f = _word(block, 16) * mul, _word(block, 24)
        g = (y + _word(block, length - 32)) * mul
        h = (z + _word(block, length - 24)) * mul
        return _join(_rotate_right(e + f, 43) + _rotate_right(g, 30) + h, e + _rotate_right(f + a, 18) + g, mul)
    return _fingerprint_long(block)


def _ends(block: np.ndarray, first: np.uint64, mul: np.uint64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the first and last 16 bytes give."""
    length = block.shape[1]
    a, b = _word(block, 0) * first, _word(block, 8)
    c, d = _word(block, length - 8) * mul, _word(block, length - 16) * _K2
    return _rotate_right(a + b, 43) + _rotate_right(c, 30) + d, a + _rotate_right(b + _K2, 18) + c, a


def _fingerprint_long(block: np.ndarray) -> np.ndarray:
    n, length = block.shape
    x = np.full(n, _u64(81 * int(_K2))) + _word(block, 0)
    y = np.full(n, _u64(81 * int(_K1) + 113))
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    v = w = (np.zeros(n, np.uint64), np.zeros(n, np.uint64))
    end = (length - 1) // 64 * 64
    for at in range(0, end, 64):
        x, y, z, v, w = _mix64(block, at, x, y, z, v, w, _K1, np.uint64(1))
    mul = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    first = w[0] + _u64((length - 1) & 63)
    v = (v[0] + first, v[1])
    w = (first + v[0], w[1])
    x, y, z, v, w = _mix64(block, length - 64, x, y, z, v, w, mul, np.uint64(9))
    return _join(_join(v[0], w[0], mul) + _shift_mix(y) * _K0 + z, _join(v[1], w[1], mul) + x, mul)


def _mix64(block, at, x, y, z, v, w, mul, weight):  # type: ignore[no-untyped-def]
    """One round over 64 bytes."""
    x = _rotate_right(x + y + v[0] + _word(block, at + 8), 37) * mul
    y = _rotate_right(y + v[1] + _word(block, at + 48), 42) * mul
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + _word(block, at + 40)
    z = _rotate_right(z + w[0], 33) * mul
    v = _weak32(block, at, v[1] * mul, x + w[0])
    w = _weak32(block, at + 32, z + w[1], y + _word(block, at + 16))
    return z, y, x, v, w


def _weak32(block: np.ndarray, at: int, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    words = [_word(block, at + 8 * i) for i in range(4)]
    a = a + words[0]
    b = _rotate_right(b + a + words[3], 21)
    total = a + words[1] + words[2]
    return total + words[3], b + _rotate_right(total, 44) + a


def siphash(block: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """SipHash-2-4 of each row of `block` (strings, length) of uint8 under a key of two 64-bit words; uint64 (strings,).

    Source: J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012.
    """
    n, length = block.shape
    whole = length // 8
    padded = np.zeros((n, 8 * (whole + 1)), np.uint8)
    padded[:, :length] = block
    padded[:, -1] = length & 0xFF
    k0, k1 = _u64(key[0]), _u64(key[1])
    starts = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(n, _u64(s) ^ k) for s, k in zip(starts, (k0, k1, k0, k1))]
    for i in range(whole + 1):
        word = _word(padded, 8 * i)
        state[3] = state[3] ^ word
        _sip_rounds(state, 2)
        state[0] = state[0] ^ word
    state[2] = state[2] ^ np.uint64(0xFF)
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(state: list[np.ndarray], count: int) -> None:
    v0, v1, v2, v3 = state
    for _ in range(count):
        v0 = v0 + v1
        v2 = v2 + v3
        v1 = _rotate_left(v1, 13) ^ v0
        v3 = _rotate_left(v3, 16) ^ v2
        v0 = _rotate_left(v0, 32) + v3
        v2 = v2 + v1
        v3 = _rotate_left(v3, 21) ^ v0
        v1 = _rotate_left(v1, 17) ^ v2
        v2 = _rotate_left(v2, 32)
    state[:] = v0, v1, v2, v3


def hash_strings(strings: Sequence[bytes], salt: Sequence[int] | None = None) -> np.ndarray:
    """The hashes of `strings`: Fingerprint64, or SipHash under the key `salt`; uint64 of shape (strings,)."""
    function: Callable[[np.ndarray], np.ndarray] = fingerprint64
    if salt is not None:
        key = (int(salt[0]), int(salt[1]))
        function = lambda block: siphash(block, key)  # noqa: E731
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    result = np.empty(len(strings), np.uint64)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        data = np.frombuffer(b"".join([strings[i] for i in rows.tolist()]), np.uint8)
        result[rows] = function(data.reshape(len(rows), length))
    return result


def combine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One fingerprint of two, in order (uint64 arrays of one shape)."""
    mul = np.uint64(0xC6A4A7935BD1E995)
    mixed = ((a ^ mul) ^ (_shift_mix(b * mul) * mul)) * mul
    return _shift_mix(_shift_mix(mixed) * mul)
