"""FeatureSpace: columns of a table to what a model reads, each by its kind.

A feature is a preprocessing layer, the dtype of its input and what becomes of its output ("int", "one_hot" or "float").
The layers are those of `keras.layers`; what is here chooses, adapts and joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras import layers
from tahr.keras.backend.engine import is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.state import auto_name
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

_SRC = "keras.src.layers.preprocessing.feature_space"  # what files call the classes that are not public
_ROWS = 32  # per batch, where data come row by row


class TFDIdentity(layers.Identity):
    """The preprocessor of a plain float: nothing. Named as in files of Keras."""

    _keras_module = _SRC
    _host_if_needed = True


class TFDConcat(layers.Layer):
    """Joins the encoded features along `axis`. Named as in files of Keras."""

    _keras_module = _SRC

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self._convert_input_args = False

    def call(self, xs: Any) -> Any:
        """One tensor (..., sum of the widths) in the layer's dtype."""
        return ops.concatenate([ops.cast(x, self.compute_dtype) for x in xs], axis=self.axis)

    def compute_output_spec(self, xs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        widths = [x.shape[-1] for x in xs]
        width = None if None in widths else sum(widths)
        return KerasTensor((*xs[0].shape[:-1], width), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axis": self.axis}


class Cross:
    """Features that are hashed together. Made by `FeatureSpace.cross`.

    Args:
        feature_names: names of the features.
        crossing_dim: number of bins.
        output_mode: "int" or "one_hot".
    """

    _keras_module = _SRC

    def __init__(self, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> None:
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = _check_mode(output_mode, ("int", "one_hot"), "cross")

    @property
    def name(self) -> str:
        """The features' names, joined by `_X_`."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Cross:
        """The cross that `get_config` described."""
        return cls(**config)


class Feature:
    """How one feature is read. Made by `FeatureSpace.feature` and its relatives.

    Args:
        dtype: dtype of the input, or "string".
        preprocessor: layer that the input goes through, or its config.
        output_mode: "int", "one_hot" or "float".
    """

    _keras_module = _SRC

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        self.dtype = dtype
        self.preprocessor = deserialize_keras_object(preprocessor) if isinstance(preprocessor, dict) else preprocessor
        self.output_mode = _check_mode(output_mode, ("int", "one_hot", "float"), "feature")

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "dtype": self.dtype,
            "preprocessor": serialize_keras_object(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Feature:
        """The feature that `get_config` described."""
        return cls(**config)


class FeatureSpace(layers.Layer):
    """Reads the columns of a table: each feature by its kind, crosses of features by a hash of them together.

    Kinds, as names or as made by the class method of the same name, which takes further arguments: "float",
    "float_rescaled", "float_normalized", "float_discretized", "integer_categorical", "string_categorical",
    "integer_hashed", "string_hashed". `FeatureSpace.feature` takes any preprocessing layer. The layers are in
    `preprocessors`, those of the crosses in `crossers`, each by name.

    Text and hashes are read before the steps of a model (see `TextVectorization`), so a model made of `get_inputs` and
    `get_encoded_features` trains as fast as one on encoded arrays.

    Args:
        features: dict from names to kinds.
        output_mode: "concat" for one vector, the features in alphabetical order, then the crosses; "dict" for a dict.
        crosses: tuples of names of features, or what `FeatureSpace.cross` gave.
        crossing_dim: bins of a cross given as a tuple.
        hashing_dim: bins of a feature given as "integer_hashed" or "string_hashed".
        num_discretization_bins: bins of a feature given as "float_discretized".
        name: name.

    Raises:
        ValueError: for unknown kinds and modes, no features, or a cross of what is not there.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> data = {"size": np.array([1.0, 3.0]), "color": np.array(["red", "blue"])}
        >>> space = keras.utils.FeatureSpace({"size": "float_normalized", "color": "string_categorical"})
        >>> space.adapt(data, verbose=0)
        >>> space(data).tolist()
        [[0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 1.0, 1.0]]
        >>> model = keras.Model(space.get_inputs(), keras.layers.Dense(1)(space.get_encoded_features()))
        >>> model.predict(data, verbose=0).shape
        (2, 1)
    """

    @classmethod
    def cross(cls, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Features hashed together into `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode=output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """A feature of this dtype that goes through the layer `preprocessor`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        return Feature("float32", TFDIdentity(dtype="float32", name=_layer_name(name, "float")), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """`x * scale + offset`."""
        layer = layers.Rescaling(scale=scale, offset=offset, name=_layer_name(name, "float_rescaled"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers of mean 0 and variance 1."""
        layer = layers.Normalization(axis=-1, name=_layer_name(name, "float_normalized"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """The bin that a number falls into: quantiles of the data, or given by `bin_boundaries`."""
        layer = layers.Discretization(
            num_bins=num_bins, bin_boundaries=bin_boundaries, name=_layer_name(name, "float_discretized")
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """The rank of an integer in a vocabulary, `max_tokens` at most; `num_oov_indices` for others."""
        layer = layers.IntegerLookup(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=_layer_name(name, "integer_categorical")
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """The rank of a string in a vocabulary, `max_tokens` at most; `num_oov_indices` for others."""
        layer = layers.StringLookup(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=_layer_name(name, "string_categorical")
        )
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """The bin of a string's hash."""
        return Feature("string", layers.Hashing(num_bins, name=_layer_name(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """The bin of an integer's hash."""
        return Feature("int32", layers.Hashing(num_bins, name=_layer_name(name, "integer_hashed")), output_mode)

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Sequence[Any] | None = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features:
            raise ValueError(f"[{self.name}] `features` cannot be None or empty, received {features!r}.")
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.output_mode = _check_mode(output_mode, ("concat", "dict"), self.name)
        self.features = {key: self._feature_of(key, value) for key, value in features.items()}
        self.crosses = [self._cross_of(cross) for cross in crosses or ()]
        self.inputs = {key: layers.Input((1,), dtype=f.dtype, name=key) for key, f in self.features.items()}
        self.preprocessors = {key: f.preprocessor for key, f in self.features.items()}
        self.crossers = {c.name: layers.HashedCrossing(c.crossing_dim, name=c.name) for c in self.crosses}
        self.one_hot_encoders: dict[str, Any] = {}
        self.concat = TFDConcat(axis=-1) if output_mode == "concat" else None
        self.encoded_features: Any = None
        self._is_adapted = False

    def _feature_of(self, name: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        if isinstance(kind, dict):
            return deserialize_keras_object(kind)
        makers: dict[str, Callable[[], Feature]] = {
            "float": lambda: self.float(name=name),
            "float_rescaled": lambda: self.float_rescaled(name=name),
            "float_normalized": lambda: self.float_normalized(name=name),
            "float_discretized": lambda: self.float_discretized(self.num_discretization_bins, name=name),
            "integer_categorical": lambda: self.integer_categorical(name=name),
            "string_categorical": lambda: self.string_categorical(name=name),
            "integer_hashed": lambda: self.integer_hashed(self.hashing_dim, name=name),
            "string_hashed": lambda: self.string_hashed(self.hashing_dim, name=name),
        }
        if kind not in makers:
            raise ValueError(
                f"[{self.name}] Invalid feature type of {name!r}: expected one of {sorted(makers)}, received {kind!r}."
            )
        return makers[kind]()

    def _cross_of(self, cross: Any) -> Cross:
        if isinstance(cross, dict):
            cross = deserialize_keras_object(cross)
        if not isinstance(cross, Cross):
            if not self.crossing_dim:
                raise ValueError(
                    f"[{self.name}] expected `crossing_dim`, the number of bins, for crosses given as tuples, received "
                    f"{self.crossing_dim!r}."
                )
            cross = Cross(cross, self.crossing_dim)
        unknown = [key for key in cross.feature_names if key not in self.features]
        if unknown:
            raise ValueError(
                f"[{self.name}] features of `crosses` should be present in `features`, received unknown ones: {unknown}."
            )
        return cross

    # Adapting.

    def _adaptable(self) -> list[str]:
        """Features whose layers learn from data."""
        found = []
        for name, layer in self.preprocessors.items():
            given = (
                (isinstance(layer, layers.Normalization) and layer.input_mean is not None)
                or (isinstance(layer, layers.Discretization) and layer.num_bins is None)
                or getattr(getattr(layer, "_lookup_layer", layer), "_has_input_vocabulary", False)
            )
            if hasattr(layer, "adapt") and not given:
                found.append(name)
        return found

    def adapt(self, dataset: Any, verbose: int = 1) -> None:
        """Lets the layers learn from data: vocabularies, means and variances, bins.

        Args:
            dataset: dict of arrays or lists, or a Dataset of dicts, of single rows or of batches.
            verbose: whether to show how many of the features are done.

        Raises:
            ValueError: if it is neither, or lacks a feature.
        """
        from tahr.data import Dataset

        if not isinstance(dataset, (Dataset, Mapping)):
            raise ValueError(
                f"[{self.name}] `adapt()` can only be called on a Dataset or a dict of arrays or lists, received "
                f"{type(dataset).__name__}."
            )
        names = self._adaptable()
        progress = None
        if verbose and names:
            from tahr.keras.utils.progbar import Progbar

            progress = Progbar(len(names), verbose=verbose, unit_name="feature")
        for done, name in enumerate(names, 1):
            self.preprocessors[name].adapt(_Column(dataset, name, self.name))
            if progress is not None:
                progress.update(done)
        self._is_adapted = True
        self.encoded_features = None  # vocabularies may have grown
        self.one_hot_encoders.clear()
        self.get_encoded_features()

    def _need_adapted(self) -> None:
        if not self._is_adapted:
            if self._adaptable():
                raise ValueError(
                    f"[{self.name}] You need to call `.adapt(dataset)` on the FeatureSpace before its first use: "
                    f"{self._adaptable()} learn from data."
                )
            self._is_adapted = True

    # Encoding.

    def get_inputs(self) -> dict[str, KerasTensor]:
        """The inputs of a model on raw data: symbolic tensors (None, 1) by name."""
        self.get_encoded_features()
        return dict(self.inputs)

    def get_encoded_features(self) -> Any:
        """What becomes of `get_inputs()`: a symbolic tensor (None, width), or a dict of them."""
        self._need_adapted()
        if self.encoded_features is None:
            self.encoded_features = self._encode(self.inputs)
            self.built = True
        return self.encoded_features

    def _encode(self, data: Mapping[str, Any]) -> Any:
        read = {name: layer(data[name]) for name, layer in self.preprocessors.items()}
        crossed = {c.name: self.crossers[c.name]([read[key] for key in c.feature_names]) for c in self.crosses}
        specs: dict[str, Any] = {**self.features, **{c.name: c for c in self.crosses}}
        both = {**read, **crossed}
        encoded = {}
        for name in (*sorted(read), *sorted(crossed)):
            x = both[name]
            if specs[name].output_mode == "one_hot":
                x = self._encoder(name, x)(x)
            if self.concat is not None and not str(x.dtype).startswith(("float", "bfloat")):
                raise ValueError(
                    f"[{self.name}] Cannot concatenate features because feature {name!r} has not been encoded: it has dtype "
                    f"{x.dtype}. Use output_mode='dict', or encode it with output_mode='one_hot'."
                )
            encoded[name] = x
        return encoded if self.concat is None else self.concat(list(encoded.values()))

    def _encoder(self, name: str, x: Any) -> Any:
        """The layer that turns the integers of a feature into vectors."""
        if name not in self.one_hot_encoders:
            layer = self.preprocessors.get(name) or self.crossers[name]
            if not str(x.dtype).startswith("int"):
                raise ValueError(
                    f"[{self.name}] expected integers from the layer of feature {name!r}, which has output_mode='one_hot', "
                    f"received dtype {x.dtype}."
                )
            if isinstance(layer, (layers.IntegerLookup, layers.StringLookup)):
                depth = layer.vocabulary_size()
            elif isinstance(layer, layers.CategoryEncoding):
                depth = layer.num_tokens
            elif isinstance(layer, layers.Discretization):
                depth = layer.num_bins or len(layer.bin_boundaries) + 1
            elif isinstance(layer, (layers.HashedCrossing, layers.Hashing)):
                depth = layer.num_bins
            else:
                raise ValueError(
                    f"[{self.name}] expected one of the kinds of features for output_mode='one_hot' of {name!r}, received "
                    f"{type(layer).__name__}, of whose output the number of values is unknown. Use output_mode='int'."
                )
            self.one_hot_encoders[name] = layers.CategoryEncoding(num_tokens=depth, output_mode="multi_hot")
        return self.one_hot_encoders[name]

    def __call__(self, data: Mapping[str, Any]) -> Any:
        """Encodes `data`.

        Args:
            data: dict with a value for each feature: scalar, (batch,) or (batch, 1).

        Returns:
            Tensor (batch, width), (width,) for scalars; with output_mode "dict" a dict of tensors.

        Raises:
            ValueError: if it is no dict, or not one of these features.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"[{self.name}] A FeatureSpace can only be called with a dict, received {type(data)}.")
        if set(data) != set(self.features):
            raise ValueError(
                f"[{self.name}] expected values of the features {sorted(self.features)}, received {sorted(data)}."
            )
        self.get_encoded_features()
        columns, scalar = {}, False
        for name, value in data.items():
            x = value if is_tensor(value) or isinstance(value, KerasTensor) else np.asarray(value)
            scalar = scalar or len(x.shape) == 0
            columns[name] = _as_column(x)
        encoded = self._encode(columns)
        if not scalar:
            return encoded
        if self.concat is not None:
            return ops.squeeze(encoded, axis=0)
        return {k: ops.squeeze(x, axis=0) if len(x.shape) == 2 and x.shape[0] == 1 else x for k, x in encoded.items()}

    # Configs and files.

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            "features": serialize_keras_object(dict(self.features)),
            "output_mode": self.output_mode,
            "crosses": serialize_keras_object(list(self.crosses)),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureSpace:
        """The layer that `get_config` described."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        """What the layers of the features were built with."""
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layers of the features; what they learned comes from the file."""
        for name, shapes in config.items():
            layer = self.preprocessors[name]
            if shapes and not layer.built:
                layer.build_from_config(shapes)
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Writes a `.keras` file, which `keras.models.load_model` reads."""
        from tahr.keras.saving import save_model

        save_model(self, filepath)

    def save_own_variables(self, store: Any) -> None:
        """Nothing: the layers inside keep theirs."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing: the layers inside keep theirs."""


class _Column:
    """One feature of a source of data, as batches (rows, 1); iterates anew each time."""

    def __init__(self, source: Any, name: str, owner: str) -> None:
        self.source, self.name, self.owner = source, name, owner

    def __iter__(self) -> Iterator[np.ndarray]:
        if isinstance(self.source, Mapping):
            array = self._of(self.source)
            for start in range(0, len(array), _ROWS):
                yield _as_column(array[start : start + _ROWS])
            return
        rows: list[Any] = []
        for sample in self.source.as_numpy_iterator():
            x = self._of(sample)
            if x.ndim:
                yield _as_column(x)
                continue
            rows.append(x)
            if len(rows) == _ROWS:
                yield np.stack(rows)[:, None]
                rows = []
        if rows:
            yield np.stack(rows)[:, None]

    def _of(self, sample: Any) -> np.ndarray:
        if not isinstance(sample, Mapping) or self.name not in sample:
            held = sorted(sample) if isinstance(sample, Mapping) else type(sample).__name__
            raise ValueError(
                f"[{self.owner}] expected data with the feature {self.name!r} in adapt(), received {held}. Drop targets "
                "first: dataset.map(lambda x, y: x)."
            )
        return np.asarray(sample[self.name])


def _as_column(x: Any) -> Any:
    """`x` with a last axis of size 1 where it is a scalar or a vector."""
    rank = len(x.shape)
    if rank == 0:
        return ops.reshape(x, (1, 1)) if is_tensor(x) else x.reshape(1, 1)
    if rank == 1:
        return ops.expand_dims(x, -1) if is_tensor(x) or isinstance(x, KerasTensor) else x[:, None]
    return x


def _check_mode(mode: Any, allowed: tuple[str, ...], owner: str) -> str:
    if mode not in allowed:
        raise ValueError(
            f"[{owner}] Invalid value for argument `output_mode`. Expected one of {allowed}, received {mode!r}."
        )
    return mode


def _layer_name(name: str | None, kind: str) -> str:
    return f"{name or auto_name(kind)}_preprocessor"
