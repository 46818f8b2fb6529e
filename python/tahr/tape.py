"""Automatic differentiation: GradientTape, custom gradients, and switching recording off."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tahr import _C, nest
from tahr.tensor import Tensor
from tahr.variable import SlicedTensor, Variable, _by_id

__all__ = ["GradientTape", "UnconnectedGradients", "custom_gradient", "no_gradient", "stop_gradient"]


class UnconnectedGradients:
    """What `gradient` gives for a source that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


class GradientTape:
    """Records the ops run inside its context, so that derivatives of their results can be asked for.

    Trainable variables are watched by themselves, other tensors after `watch`. Tapes nest: an outer tape
    records the gradients that an inner one computes.

    Arguments:
        persistent: whether `gradient` may be called more than once.
        watch_accessed_variables: whether trainable variables are watched when they are read.

    Example:
        >>> import tahr
        >>> x = tahr.Variable(3.0)
        >>> with tahr.GradientTape() as tape:
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._tape: Any = None
        self._recording = False

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise ValueError("[GradientTape] the tape is already recording.")
        if self._tape is None:
            self._tape = _C.Tape(self._persistent, self._watch_variables)
        self._push()
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._recording:
            self._pop()

    def __del__(self) -> None:
        if getattr(self, "_recording", False):
            self._pop()

    def _push(self) -> None:
        self._tape.push()
        self._recording = True

    def _pop(self) -> None:
        self._tape.pop()
        self._recording = False

    def watch(self, tensor: Any) -> None:
        """Records what is done with a tensor, or each tensor of a nested structure.

        Raises:
            ValueError: outside the tape's context.
            TypeError: for what is not a floating-point tensor or variable.
        """
        if self._tape is None:
            raise ValueError("[GradientTape.watch] the tape is not recording yet: call it inside the tape's context.")
        for t in _leaves(tensor):
            if not isinstance(t, (_C.Tensor, _C.Variable)):
                raise TypeError(f"[GradientTape.watch] expected tensors or variables, received {type(t).__name__}.")
            if not t.dtype.is_floating:
                raise TypeError(
                    f"[GradientTape.watch] expected a floating-point tensor, received dtype {t.dtype}. Only "
                    "floating-point values have gradients: cast it first."
                )
            self._tape.watch(t)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Inside this context, within the tape's own, nothing is recorded."""
        if not self._recording:
            raise ValueError("[GradientTape.stop_recording] the tape is not recording.")
        self._pop()
        try:
            yield
        finally:
            if self._tape is not None:  # asked meanwhile: a tape that is not persistent has ended
                self._push()

    def reset(self) -> None:
        """Forgets everything that was recorded."""
        if self._tape is None:
            return
        recording = self._recording
        if recording:
            self._pop()
        self._tape = None
        if recording:
            self.__enter__()

    def watched_variables(self) -> tuple[Variable, ...]:
        """The variables that the tape watches and that still exist, in the order in which it met them."""
        if self._tape is None:
            return ()
        found = (_by_id.get(_C.value_id(h)) for h in self._tape.watched_handles())
        return tuple(v for v in found if v is not None)

    def _ask(self, what: str) -> Any:
        if self._tape is None:
            raise RuntimeError(
                f"[GradientTape.{what}] a non-persistent tape can be asked once, after its context was entered. "
                "Use GradientTape(persistent=True) to ask more often."
            )
        if self._recording and not self._persistent:
            self._pop()
        return self._tape

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = UnconnectedGradients.NONE,
    ) -> Any:
        """The derivative of the sum of `target` with respect to each source, in the structure of `sources`.

        Arguments:
            target: a tensor, or a nested structure of tensors.
            sources: tensors or variables, or a nested structure of them.
            output_gradients: what each target's elements are weighted with; ones if None.
            unconnected_gradients: ``"none"`` gives None for a source without influence on the target, ``"zero"`` zeros.

        Raises:
            RuntimeError: if a non-persistent tape is asked twice.
        """
        _check_unconnected(unconnected_gradients)
        tape = self._ask("gradient")
        all_targets = _leaves(target)
        given = [None] * len(all_targets) if output_gradients is None else nest.flatten(output_gradients)
        if len(given) != len(all_targets):
            raise ValueError(
                f"[GradientTape.gradient] expected one output gradient per target ({len(all_targets)}), received "
                f"{len(given)}. Use None for ones."
            )
        given = [None if g is None else _C.to_tensor(g, None, "[GradientTape.gradient]") for g in given]
        # What is no tensor (None, a Python number) depends on no source.
        known = [(t, g) for t, g in zip(all_targets, given) if isinstance(t, (_C.Tensor, _C.Variable))]
        flat = _leaves(sources)
        try:
            grads = tape.gradient([t for t, _ in known], flat, [g for _, g in known], self._persistent)
        finally:
            if not self._persistent and tape.size() == 0:
                self._tape = None
        return nest.pack_sequence_as(sources, _connect(grads, flat, unconnected_gradients))

    def jacobian(
        self,
        target: Tensor,
        sources: Any,
        unconnected_gradients: str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """All derivatives of a tensor: for each source an array of shape ``target.shape + source.shape``.

        One backward pass per element of `target`; the last two arguments, which tune TensorFlow's loop, change nothing.
        """
        _check_unconnected(unconnected_gradients)
        tape = self._ask("jacobian")
        (target,) = _leaves(target)
        flat = _leaves(sources)
        n = target.size
        if n == 0:  # no element to ask about
            if not self._persistent:
                self._tape = None
            empty = [_C.ops.zeros((*target.shape, *s.shape), dtype=s.dtype) for s in flat]
            return nest.pack_sequence_as(sources, empty)
        rows: list[list[Any]] = []
        basis = _C.ops.reshape(_C.ops.eye(n, dtype=target.dtype), (n, *target.shape))
        for i in range(n):
            rows.append(tape.gradient([target], flat, [basis[i]], True))
        if not self._persistent:
            self._tape = None
        result: list[Any] = []
        for j, source in enumerate(flat):
            parts = [row[j] for row in rows]
            if all(p is None for p in parts):
                zero = unconnected_gradients == UnconnectedGradients.ZERO
                shape = (*target.shape, *source.shape)
                result.append(_C.ops.zeros(shape, dtype=source.dtype) if zero else None)
                continue
            parts = [_C.ops.zeros(source.shape, dtype=source.dtype) if p is None else p for p in parts]
            result.append(_C.ops.reshape(_C.ops.stack(parts, axis=0), (*target.shape, *source.shape)))
        return nest.pack_sequence_as(sources, result)

    def batch_jacobian(self, target: Tensor, source: Tensor, **unused: Any) -> Tensor:
        """Per-example Jacobians, of shape ``(batch,) + target.shape[1:] + source.shape[1:]``."""
        if unused:
            raise TypeError(f"[GradientTape.batch_jacobian] unknown arguments {sorted(unused)}.")
        tape = self._ask("batch_jacobian")
        batch, inner = target.shape[0], target.shape[1:]
        n = 1
        for d in inner:
            n *= d
        basis = _C.ops.reshape(_C.ops.eye(n, dtype=target.dtype), (n, 1, *inner))
        rows = []
        for i in range(n):
            weights = _C.ops.broadcast_to(basis[i], target.shape)
            (g,) = tape.gradient([target], [source], [weights], True)
            rows.append(_C.ops.zeros(source.shape, dtype=source.dtype) if g is None else g)
        if not self._persistent:
            self._tape = None
        return _C.ops.reshape(_C.ops.stack(rows, axis=1), (batch, *inner, *source.shape[1:]))


def _leaves(structure: Any) -> list[Any]:
    """The leaves of a nested structure, with parts of variables (``v[0]``) as the tensors that they are."""
    return [t._tensor if isinstance(t, SlicedTensor) else t for t in nest.flatten(structure)]


def _check_unconnected(unconnected: str) -> None:
    if unconnected not in ("none", "zero"):
        raise ValueError(f"[GradientTape] expected unconnected_gradients 'none' or 'zero', received {unconnected!r}.")


def _connect(grads: list[Any], sources: list[Any], unconnected: str) -> list[Any]:
    if unconnected == "none":
        return grads
    return [_C.ops.zeros(s.shape, dtype=s.dtype) if g is None else g for g, s in zip(grads, sources)]


@contextlib.contextmanager
def no_gradient() -> Iterator[None]:
    """Inside this context no tape of this thread records anything."""
    _C.pause_recording()
    try:
        yield
    finally:
        _C.resume_recording()


def rematerialize(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`f(*args, **kwargs)`, of which tapes keep only what it reads from outside; gradients compute the rest again."""
    if not _C.begin_segment():
        return f(*args, **kwargs)
    try:
        result = f(*args, **kwargs)
    except BaseException:
        _C.abandon_segment()
        raise
    _C.end_segment()
    return result


def stop_gradient(variable: Any) -> Tensor:
    """The same values, through which no gradient flows back."""
    return _C.ops.stop_gradient(_C.to_tensor(variable, None, "[stop_gradient]"))


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a function a derivative of its own: `f` returns its result and a function from upstream to input gradients.

    Example:
        >>> import tahr
        >>> @tahr.custom_gradient
        ... def clipped_identity(x):
        ...     return x * 1.0, lambda dy: tahr.clip_by_value(dy, -1.0, 1.0)
        >>> x = tahr.constant([5.0])
        >>> with tahr.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = clipped_identity(x) * 100.0
        >>> tape.gradient(y, x).numpy()
        array([1.], dtype=float32)
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if _C.tracing():
            from tahr.ops.control_traced import custom_call

            return custom_call(f, args, kwargs)
        flat = nest.flatten(args)
        known = [
            a if isinstance(a, (_C.Tensor, _C.Variable)) else _C.to_tensor(a, None, "[custom_gradient]") for a in flat
        ]
        inputs = [_C.variable_value(a) if isinstance(a, _C.Variable) else a for a in known]
        # Recorded, so that what the gradient function uses of it can be differentiated itself; the results are not.
        result, grad = f(*nest.pack_sequence_as(args, known), **kwargs)
        with no_gradient():  # tensors of their own: a result may be one of the inputs
            outputs = [_C.ops.reshape(t, t.shape) for t in map(_C.to_tensor, nest.flatten(result))]

        def backward(dy: list[Any]) -> list[Any]:
            filled = [_C.ops.zeros_like(o) if d is None else d for o, d in zip(outputs, dy)]
            grads = nest.flatten(grad(*filled))
            if len(grads) != len(inputs):
                raise ValueError(
                    f"[custom_gradient] expected {len(inputs)} gradients from {getattr(f, '__name__', f)!r}, one per "
                    f"input, received {len(grads)}."
                )
            return grads

        _C.record_custom(known, outputs, backward)
        return nest.pack_sequence_as(result, outputs)

    return wrapped
