"""Settings a user may read and change: default float type, epsilon, image layout, switches of the interface."""

from __future__ import annotations

from typing import Any

from tahr import config as _engine

_FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
_settings: dict[str, Any] = {
    "epsilon": 1e-7,
    "interactive_logging": True,
    "traceback_filtering": True,
    "flash_attention": None,
    "unsafe_deserialization": False,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def floatx() -> str:
    """Name of the default floating-point type, "float32" unless changed.

    >>> from tahr import keras
    >>> keras.config.floatx()
    'float32'
    """
    return _engine.floatx()


def set_floatx(value: str) -> None:
    """Changes the default floating-point type to `value`: "bfloat16", "float16", "float32" or "float64"."""
    name = str(value)
    if name not in _FLOAT_TYPES:
        raise ValueError(f"[set_floatx] expected one of {', '.join(_FLOAT_TYPES)}, received {value!r}.")
    _engine.set_floatx(name)


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite, 1e-7 unless changed."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Changes what `epsilon()` returns."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """Where images keep their channels: "channels_last" (the default) or "channels_first"."""
    return _engine.image_data_format()


def set_image_data_format(data_format: str) -> None:
    """Changes what `image_data_format()` returns."""
    _engine.set_image_data_format(standardize_data_format(data_format))


def standardize_data_format(data_format: str | None) -> str:
    """`data_format` in lower case, or the global setting for None; ValueError for anything but the two layouts."""
    if data_format is None:
        return image_data_format()
    name = str(data_format).lower()
    if name not in ("channels_first", "channels_last"):
        raise ValueError(
            f"[data_format] expected 'channels_first' or 'channels_last', received data_format={data_format!r}."
        )
    return name


def enable_interactive_logging() -> None:
    """`fit` and its relatives draw a progress bar on standard output."""
    _settings["interactive_logging"] = True


def disable_interactive_logging() -> None:
    """`fit` and its relatives report through `logging` in place of standard output."""
    _settings["interactive_logging"] = False


def is_interactive_logging_enabled() -> bool:
    """Whether progress goes to standard output."""
    return _settings["interactive_logging"]


def enable_traceback_filtering() -> None:
    """Tracebacks leave out the frames of the library itself."""
    _settings["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Tracebacks show every frame."""
    _settings["traceback_filtering"] = False


def is_traceback_filtering_enabled() -> bool:
    """Whether tracebacks leave out the frames of the library."""
    return _settings["traceback_filtering"]


def enable_flash_attention() -> None:
    """Attention layers require the tiled attention kernel."""
    _settings["flash_attention"] = True


def disable_flash_attention() -> None:
    """Attention layers avoid the tiled attention kernel."""
    _settings["flash_attention"] = False


def is_flash_attention_enabled() -> bool | None:
    """True or False as set; None when layers are free to choose."""
    return _settings["flash_attention"]


def enable_unsafe_deserialization() -> None:
    """Loading may run code stored in files (lambdas). Only for files of your own."""
    _settings["unsafe_deserialization"] = True


def is_unsafe_deserialization_enabled() -> bool:
    """Whether `enable_unsafe_deserialization()` was called."""
    return _settings["unsafe_deserialization"]


def max_epochs() -> int | None:
    """Upper limit on the epochs of any `fit`, or None."""
    return _settings["max_epochs"]


def set_max_epochs(max_epochs: int | None) -> None:
    """Limits the epochs of every `fit`; None removes the limit."""
    _settings["max_epochs"] = max_epochs


def max_steps_per_epoch() -> int | None:
    """Upper limit on the steps of any epoch, or None."""
    return _settings["max_steps_per_epoch"]


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limits the steps of every epoch; None removes the limit."""
    _settings["max_steps_per_epoch"] = max_steps_per_epoch


def backend() -> str:
    """Name of the engine: always "tahr"."""
    return "tahr"


def is_nnx_enabled() -> bool:
    """Always False: the setting belongs to another engine."""
    return False


def set_backend(backend: str) -> None:
    """Accepts "tahr" only: this package has one engine."""
    if backend != "tahr":
        raise ValueError(
            f"[set_backend] expected 'tahr', received {backend!r}. tahr.keras has its own engine; "
            "install Keras itself to use another."
        )
