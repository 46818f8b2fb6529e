"""Configs: what `quantize(config=...)` of layers and models is told."""

from __future__ import annotations

from typing import Any

from tahr.keras.dtype_policies import Int4DTypePolicy
from tahr.keras.dtype_policies.quantized import QUANTIZATION_MODES
from tahr.keras.quantizers.absmax import AbsMaxQuantizer
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object


class QuantizationConfig:
    """How a layer is quantized; the base of one class per mode.

    Args:
        weight_quantizer: quantizer of the weights; None for that of the layer.
        activation_quantizer: quantizer of the inputs; None to leave them as they are.
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        self.weight_quantizer = weight_quantizer
        self.activation_quantizer = activation_quantizer

    @property
    def mode(self) -> str:
        """The quantization mode; subclasses implement it."""
        raise NotImplementedError(
            "[QuantizationConfig] expected a class with a mode, received the base class. Use Int8QuantizationConfig or "
            "one of its siblings, or implement the property `mode`."
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "weight_quantizer": serialize_keras_object(self.weight_quantizer),
            "activation_quantizer": serialize_keras_object(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        """What `get_config` described."""
        names = ("weight_quantizer", "activation_quantizer")
        return cls(**{**config, **{name: deserialize_keras_object(config.get(name)) for name in names}})

    @staticmethod
    def weight_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """The config's quantizer of weights, or `default` if it has none."""
        return default if config is None or config.weight_quantizer is None else config.weight_quantizer

    @staticmethod
    def activation_quantizer_or_default(config: QuantizationConfig | None, default: Any) -> Any:
        """The config's quantizer of inputs, which may be None; `default` without a config."""
        return default if config is None else config.activation_quantizer


class Int8QuantizationConfig(QuantizationConfig):
    """Weights and inputs as int8, products in integers.

    Args:
        weight_quantizer: quantizer of the weights, to int8; None for the largest magnitude per output.
        activation_quantizer: quantizer of the inputs: "default" for the largest magnitude per row, None to leave them
            as they are.

    Raises:
        ValueError: if the weights' quantizer gives another dtype.

    >>> from tahr import keras
    >>> keras.quantizers.Int8QuantizationConfig(activation_quantizer=None).mode
    'int8'
    """

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        super().__init__(
            weight_quantizer, AbsMaxQuantizer() if activation_quantizer == "default" else activation_quantizer
        )
        _check_output_dtype(self)

    @property
    def mode(self) -> str:
        """The quantization mode."""
        return "int8"


class Int4QuantizationConfig(QuantizationConfig):
    """Weights in 4 bits, two in a byte; inputs as they are unless told otherwise.

    Args:
        weight_quantizer: quantizer of the weights, to -8..7, without blocks only; None for that of the layer.
        activation_quantizer: quantizer of the inputs, without blocks only; "default" and None leave them as they are.
        block_size: a scale and a zero point for every so many inputs; None or -1 for one scale per output.

    Raises:
        ValueError: if an argument does not fit the others.
    """

    def __init__(
        self, weight_quantizer: Any = None, activation_quantizer: Any = "default", block_size: int | None = 128
    ) -> None:
        super().__init__(weight_quantizer, None if activation_quantizer == "default" else activation_quantizer)
        if block_size is not None and block_size != -1 and block_size <= 0:
            raise ValueError(
                f"[Int4QuantizationConfig] block_size must be positive, or None or -1 for no blocks, received {block_size}."
            )
        self.block_size = block_size
        if block_size not in (None, -1) and (
            self.weight_quantizer is not None or self.activation_quantizer is not None
        ):
            raise ValueError(
                f"[Int4QuantizationConfig] received quantizers and block_size={block_size}: Int4 sub-channel quantization "
                "does not support custom quantizers. Set block_size=None, or leave the quantizers out."
            )
        if self.weight_quantizer is not None and tuple(self.weight_quantizer.value_range) != (-8, 7):
            raise ValueError(
                "[Int4QuantizationConfig] expected a weight_quantizer with value_range=(-8, 7), received "
                f"value_range={self.weight_quantizer.value_range}."
            )
        _check_output_dtype(self)

    @property
    def mode(self) -> str:
        """The quantization mode."""
        return "int4"

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "block_size": self.block_size}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        """What `get_config` described; one without block size is older than blocks."""
        return super().from_config({"block_size": None, **config})


class Float8QuantizationConfig(QuantizationConfig):
    """Training with the operands of products rounded to 8-bit floats."""

    def __init__(self) -> None:
        super().__init__(None, None)

    @property
    def mode(self) -> str:
        """The quantization mode."""
        return "float8"

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        """A config: there is only one."""
        return cls()


class _CalibratedConfig(QuantizationConfig):
    """What the modes share that look at data to choose the integers."""

    def __init__(self, dataset: Any, tokenizer: Any, structure: Any, group_size: int, **numbers: int) -> None:
        super().__init__()
        for name, value in numbers.items():
            if value <= 0:
                raise ValueError(f"[{type(self).__name__}] {name} must be a positive integer. Received {value}.")
            setattr(self, name, value)
        if group_size < -1 or group_size == 0:
            raise ValueError(
                f"[{type(self).__name__}] Invalid group_size. Supported values are -1 for no groups, or a positive "
                f"integer, received {group_size}."
            )
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.group_size = group_size
        self.quantization_layer_structure = structure

    weight_bits: int

    def dtype_policy_string(self) -> str:
        """The mode with its numbers, as the names of policies have it."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"

    def _settings(self, *names: str) -> dict[str, Any]:
        """The arguments called `names`. Data, tokenizer and layers serve once and are not kept."""
        kept = {name: getattr(self, name) for name in names}
        return {"dataset": None, "tokenizer": None, **kept, "quantization_layer_structure": None}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizationConfig:
        """What `get_config` described."""
        return cls(**config)


class GPTQConfig(_CalibratedConfig):
    """Settings of GPTQ.

    Args:
        dataset: texts or token arrays on which the layers' inputs are observed.
        tokenizer: makes tokens of texts.
        weight_bits: 2, 3, 4 or 8.
        num_samples: how many samples are used.
        calibration_batch_size: how many samples are run at a time.
        per_channel: whether each output has a scale.
        sequence_length: length of a sample.
        hessian_damping: what is added to the diagonal of the inputs' second moments, over its mean.
        group_size: inputs that share a scale; -1 for all.
        symmetric: whether zero is in the middle of the range.
        activation_order: whether inputs with large second moments are rounded first.
        quantization_layer_structure: the blocks of the model and what comes before them.

    Raises:
        ValueError: for a value that is not possible.

    Source: Frantar et al., "GPTQ: Accurate post-training quantization for generative pre-trained transformers", 2022
    (arXiv:2210.17323).
    """

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        calibration_batch_size: int = 8,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: dict | None = None,
    ) -> None:
        if weight_bits not in (2, 3, 4, 8):
            raise ValueError(f"[GPTQConfig] Unsupported weight_bits {weight_bits}. Expected 2, 3, 4 or 8.")
        if not 0 <= hessian_damping <= 1:
            raise ValueError(f"[GPTQConfig] hessian_damping must be between 0 and 1. Received {hessian_damping}.")
        super().__init__(
            dataset,
            tokenizer,
            quantization_layer_structure,
            group_size,
            num_samples=num_samples,
            calibration_batch_size=calibration_batch_size,
            sequence_length=sequence_length,
        )
        self.weight_bits = weight_bits
        self.per_channel = per_channel
        self.hessian_damping = hessian_damping
        self.symmetric = symmetric
        self.activation_order = activation_order

    @property
    def mode(self) -> str:
        """The quantization mode."""
        return "gptq"

    def get_config(self) -> dict[str, Any]:
        """The arguments, without the data and the layers."""
        return self._settings(
            "weight_bits",
            "num_samples",
            "calibration_batch_size",
            "per_channel",
            "sequence_length",
            "hessian_damping",
            "group_size",
            "symmetric",
            "activation_order",
        )


class AWQConfig(_CalibratedConfig):
    """Settings of AWQ.

    Args:
        dataset: texts or token arrays on which the layers' inputs are observed.
        tokenizer: makes tokens of texts.
        weight_bits: 4.
        num_samples: how many samples are used.
        sequence_length: length of a sample.
        group_size: inputs that share a scale; -1 for all.
        num_grid_points: how many exponents of the inputs' magnitudes are tried.
        apply_clip: whether smaller ranges are tried, too.
        quantization_layer_structure: the blocks of the model and what comes before them.

    Raises:
        ValueError: for a value that is not possible.

    Source: Lin et al., "AWQ: Activation-aware weight quantization for LLM compression and acceleration", 2023
    (arXiv:2306.00978).
    """

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        apply_clip: bool = True,
        quantization_layer_structure: dict | None = None,
    ) -> None:
        if weight_bits != 4:
            raise ValueError(f"[AWQConfig] AWQ only supports 4-bit weights. Received weight_bits={weight_bits}.")
        super().__init__(
            dataset,
            tokenizer,
            quantization_layer_structure,
            group_size,
            num_samples=num_samples,
            sequence_length=sequence_length,
            num_grid_points=num_grid_points,
        )
        self.weight_bits = weight_bits
        self.apply_clip = apply_clip

    @property
    def mode(self) -> str:
        """The quantization mode."""
        return "awq"

    def get_config(self) -> dict[str, Any]:
        """The arguments, without the data and the layers."""
        names = ("weight_bits", "num_samples", "sequence_length", "group_size", "num_grid_points", "apply_clip")
        return self._settings(*names)


_DEFAULTS = {"int8": Int8QuantizationConfig, "int4": Int4QuantizationConfig, "float8": Float8QuantizationConfig}
_CALIBRATED = {"gptq": GPTQConfig, "awq": AWQConfig}


def validate_and_resolve_config(mode: Any, config: Any) -> QuantizationConfig:
    """The config that `quantize(mode, config)` means.

    Raises:
        ValueError: if neither is given, they contradict each other, the mode is unknown, or needs a config.
    """
    if isinstance(config, str):
        mode, config = config, None
    _check_mode(mode)
    if config is None:
        if mode is None:
            raise ValueError("[quantize] expected mode or config, received neither. Try quantize('int8').")
        if mode in _CALIBRATED:
            raise ValueError(
                f"[quantize] mode {mode!r} looks at data: you must pass a `{_CALIBRATED[mode].__name__}` as config, "
                "received none."
            )
        return _DEFAULTS[mode]()
    if not isinstance(config, QuantizationConfig):
        raise ValueError(f"[quantize] expected config to be a QuantizationConfig, received {config!r}.")
    if mode is not None and config.mode != mode:
        raise ValueError(
            f"[quantize] Contradictory arguments: mode={mode!r}, and a config of mode {config.mode!r}. Leave one out."
        )
    _check_mode(config.mode)
    needed = _CALIBRATED.get(config.mode)
    if needed is not None and not isinstance(config, needed):
        raise ValueError(
            f"[quantize] mode {config.mode!r} requires a valid `config` of type {needed.__name__}, received {config!r}."
        )
    return config


def block_size_of(layer: Any, config: Any) -> int | None:
    """The rows of a block of 4-bit weights: as the config says, else the layer's policy; None for no blocks."""
    if isinstance(config, Int4QuantizationConfig):
        size = config.block_size
    else:
        policy = layer._policy()
        size = policy.block_size if isinstance(policy, Int4DTypePolicy) else None
    return None if size == -1 else size


def _check_mode(mode: Any) -> None:
    if mode is not None and mode not in QUANTIZATION_MODES:
        raise ValueError(
            f"[quantize] Invalid quantization mode. Expected one of {QUANTIZATION_MODES}, received mode={mode!r}."
        )


def _check_output_dtype(config: QuantizationConfig) -> None:
    quantizer = config.weight_quantizer
    if quantizer is not None and quantizer.output_dtype != "int8":
        raise ValueError(
            f"[{type(config).__name__}] expected a weight_quantizer with output_dtype='int8', received "
            f"output_dtype={quantizer.output_dtype!r}."
        )
