"""Scopes that change what happens inside a `with` block: names, automatic casts, state kept out of variables."""

from __future__ import annotations

from typing import Any

import tahr
from tahr.keras.backend import state


class name_scope:
    """Puts the variables created inside under `name/` in their paths.

    Args:
        name: one path component.
        kwargs: `caller`, the object on whose behalf the scope opens: entering again for the same object adds nothing;
            `deduplicate=False`, to nest even then; `override_parent`, an absolute path that replaces the scopes around.

    Raises:
        ValueError: for a name with "/".
        TypeError: for other arguments.

    >>> from tahr import keras
    >>> with keras.name_scope("encoder"):
    ...     v = keras.Variable(0.0, name="scale")
    >>> v.path
    'encoder/scale'
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        caller, deduplicate = kwargs.pop("caller", None), kwargs.pop("deduplicate", True)
        override_parent = kwargs.pop("override_parent", None)
        if kwargs:
            raise TypeError(f"[name_scope] expected caller, deduplicate or override_parent, received {sorted(kwargs)}.")
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"[name_scope] expected a name without '/', received name={name!r}.")
        if override_parent is None and deduplicate:
            override_parent = getattr(caller, "_parent_path", None)
        self.name = name
        self.caller = caller
        self.deduplicate = deduplicate
        self.override_parent = override_parent
        self._entered = False

    def __enter__(self) -> name_scope:
        stack = state.get_scope("names")
        if stack is None:
            stack = []
            state.set_scope("names", stack)
        top = stack[-1] if stack else None
        same = top is not None and self.caller is not None and top.caller is self.caller and top.name == self.name
        if not (self.deduplicate and same):
            stack.append(self)
            self._entered = True
        return self

    def __exit__(self, *exc: Any) -> None:
        stack = state.get_scope("names")
        if self._entered and stack:
            stack.pop()
        self._entered = False


def current_path() -> str:
    """The names of the open scopes, joined with '/'."""
    parts: list[str] = []
    for entry in state.get_scope("names") or ():
        if entry.override_parent is not None:
            parts = [p for p in entry.override_parent.split("/") if p]
        parts.append(entry.name)
    return "/".join(parts)


class _Scope:
    """A scope that replaces one thread-local value and puts the former back."""

    _key = ""
    _changes_reads = True

    def __enter__(self) -> Any:
        self._former = state.get_scope(self._key)
        state.set_scope(self._key, self)
        if self._changes_reads:
            _count_readers(1)
        return self

    def __exit__(self, *exc: Any) -> None:
        state.set_scope(self._key, self._former)
        if self._changes_reads:
            _count_readers(-1)


class AutocastScope(_Scope):
    """Floating-point variables read inside come out as `dtype`; None switches an outer scope off."""

    _key = "autocast"

    def __init__(self, dtype: str | None) -> None:
        self.dtype = dtype


class StatelessScope(_Scope):
    """Assignments inside go to the scope and leave the variables as they were.

    Args:
        state_mapping: pairs (variable, value): what the variables hold inside, in place of their own values.
        collect_losses: whether `add_loss` inside is kept in `scope.losses`.
        initialize_variables: Keras defers the creation of variables inside such a scope until it closes; here a
            variable always gets its value at once, so only True is meaningful.

    >>> from tahr import keras
    >>> v = keras.Variable(1.0)
    >>> with keras.StatelessScope() as scope:
    ...     _ = v.assign(5.0)
    >>> float(v.numpy()), float(scope.get_current_value(v))
    (1.0, 5.0)
    """

    _key = "stateless"

    def __init__(
        self, state_mapping: Any = None, collect_losses: bool = False, initialize_variables: bool = True
    ) -> None:
        from tahr.keras.backend.engine import convert_to_tensor
        from tahr.keras.backend.variables import Variable

        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.losses: list[Any] = []
        self.state_mapping: dict[int, Any] = {}
        self._variables: dict[int, Any] = {}  # keeps the variables, and so their ids, alive
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(f"[StatelessScope] expected pairs (variable, value), received key {variable!r}.")
            if value is None:
                continue
            value = convert_to_tensor(value, dtype=variable.dtype)
            if tuple(value.shape) != tuple(variable.shape):
                raise ValueError(
                    f"[StatelessScope] expected a value of shape {tuple(variable.shape)} for variable "
                    f"{variable.path!r}, received shape {tuple(value.shape)}."
                )
            self.add_update((variable, value))

    def add_loss(self, loss: Any) -> None:
        self.losses.append(loss)

    def add_update(self, update: tuple[Any, Any]) -> None:
        variable, value = update
        self._variables[id(variable)] = variable
        self.state_mapping[id(variable)] = value

    def get_current_value(self, variable: Any) -> Any:
        """What `variable` holds in this scope, or None if the scope knows nothing of it."""
        return self.state_mapping.get(id(variable))


class SymbolicScope(_Scope):
    """Marks code that runs only to learn shapes and dtypes."""

    _key = "symbolic"
    _changes_reads = False


def in_stateless_scope() -> bool:
    return state.get_scope("stateless") is not None


def get_stateless_scope() -> StatelessScope:
    return state.get_scope("stateless")


def in_symbolic_scope() -> bool:
    return state.get_scope("symbolic") is not None


def get_autocast_scope() -> AutocastScope | None:
    return state.get_scope("autocast")


class suspended:
    """Inside, no scope is open and nothing is traced: for work that must have its full effect wherever it is done, such
    as initial values."""

    _KEYS = ("stateless", "symbolic", "autocast")

    def __enter__(self) -> None:
        self._untraced = tahr.init_scope()
        self._untraced.__enter__()
        self._former = {key: state.get_scope(key) for key in self._KEYS}
        for key in self._KEYS:
            state.set_scope(key, None)

    def __exit__(self, *exc: Any) -> None:
        for key, scope in self._former.items():
            state.set_scope(key, scope)
        self._untraced.__exit__(*exc)


_readers = 0  # open scopes, of all threads, in which variables may read as something else


def any_reader() -> bool:
    """Whether a scope is open, in any thread, in which variables may read as something else."""
    return _readers > 0


def _count_readers(change: int) -> None:
    from tahr.keras.backend import engine

    global _readers
    before = _readers
    _readers += change
    if (before == 0) != (_readers == 0):
        engine.set_variable_read_hook(_readers > 0)
