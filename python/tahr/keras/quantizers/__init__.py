"""keras.quantizers: integers and 8-bit floats in place of floats.

`absmax.py` has the quantizers, `packing.py` what puts small integers into bytes, `float8.py` 8-bit floats, `fake.py`
rounding that training can see through, `configs.py` what `quantize()` of layers and models is told. How layers use
them: `layers/quantization.py`.
"""

from __future__ import annotations

import inspect
from typing import Any

from tahr.keras.backend.state import to_snake_case
from tahr.keras.quantizers.absmax import (
    AbsMaxQuantizer,
    Quantizer,
    abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point,
)
from tahr.keras.quantizers.configs import (
    AWQConfig,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
)
from tahr.keras.quantizers.fake import fake_quant_with_min_max_vars
from tahr.keras.quantizers.float8 import compute_float8_amax_history, compute_float8_scale, quantize_and_dequantize
from tahr.keras.quantizers.packing import pack_int2, pack_int4, unpack_int2, unpack_int4
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

_OBJECTS = (
    AWQConfig,
    AbsMaxQuantizer,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
    Quantizer,
)
_TABLE: dict[str, Any] = {
    **{cls.__name__: cls for cls in _OBJECTS},
    **{to_snake_case(cls.__name__): cls for cls in _OBJECTS},
}


def serialize(initializer: Any) -> Any:
    """A plain-Python config of a quantizer, for `deserialize`."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The quantizer that `serialize` described."""
    return deserialize_keras_object(config, custom_objects=custom_objects, module_objects=_TABLE)


def get(identifier: Any, **kwargs: Any) -> Any:
    """The quantizer that a name, a config, a class or a callable stands for; None for None.

    Args:
        identifier: what stands for the quantizer.
        kwargs: arguments for a name or a class.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    >>> from tahr import keras
    >>> keras.quantizers.get("abs_max_quantizer", axis=-1).axis
    (-1,)
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, dict):
        found = deserialize(identifier)
    elif isinstance(identifier, str):
        found = _TABLE.get(identifier)
    if not callable(found) and not isinstance(found, QuantizationConfig):
        raise ValueError(
            f"[quantizers.get] expected a quantizer, its class, name or config, received {identifier!r}. The names are "
            f"{sorted(name for name in _TABLE if name[0].isupper())}."
        )
    return found(**kwargs) if inspect.isclass(found) else found


__all__ = [
    "AWQConfig",
    "AbsMaxQuantizer",
    "Float8QuantizationConfig",
    "GPTQConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "Quantizer",
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "deserialize",
    "fake_quant_with_min_max_vars",
    "get",
    "pack_int2",
    "pack_int4",
    "quantize_and_dequantize",
    "serialize",
    "unpack_int2",
    "unpack_int4",
]
