"""Discretization."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import floatx
from tahr.keras.backend.engine import convert_to_numpy, is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.preprocessing.adapting import batches_of
from tahr.keras.layers.preprocessing.data_layer import DataLayer
from tahr.keras.layers.preprocessing.encoding import check_output_mode, encode, encoded_shape, refuse_sparse


class Discretization(DataLayer):
    """Numbers to the bins that they fall into: i where boundaries[i - 1] <= x < boundaries[i].

    The boundaries are given, or `adapt` finds those that part the data into `num_bins` bins of about the same size.

    Args:
        bin_boundaries: ascending numbers; n of them make n + 1 bins.
        num_bins: number of bins to find; in place of `bin_boundaries`.
        epsilon: part of the data up to which a boundary may be off; small values keep more of the data.
        output_mode: "int"; "one_hot" for each number; "multi_hot" or "count" for the numbers of a sample
            (the axis after the batch).
        sparse: False only.
        dtype: dtype of the encoded output; "int" gives int32.
        name: name.

    Raises:
        ValueError: if both or none of `bin_boundaries` and `num_bins` are given.

    Example:
        >>> from tahr import keras
        >>> layer = keras.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
        >>> layer([[-1.5, 1.0, 3.4, 0.5]]).tolist()
        [[0, 2, 3, 1]]
    """

    _host_if_needed = True

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        refuse_sparse(sparse, self.name)
        self.output_mode = check_output_mode(output_mode, ("int", "one_hot", "multi_hot", "count"), self.name)
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"[{self.name}] expected num_bins of 0 or more, received {num_bins}.")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(f"[{self.name}] Both `num_bins` and `bin_boundaries` were given. Pass one of them.")
        if num_bins is None and bin_boundaries is None:
            raise ValueError(f"[{self.name}] expected either `num_bins` or `bin_boundaries`, received none of them.")
        self.bin_boundaries = None if bin_boundaries is None else [float(b) for b in np.asarray(bin_boundaries)]
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.sparse = False
        self.summary = _NOTHING
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @property
    def input_dtype(self) -> str:
        """Dtype of the numbers: `floatx()`."""
        return floatx()

    @property
    def output_dtype(self) -> str:
        """Dtype of the output."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds the boundaries.

        Args:
            data: array or tensor of numbers, or a list or another iterable of such batches.
            steps: most batches to read of an iterable.

        Raises:
            ValueError: if the layer was made with `bin_boundaries`.
        """
        if self.num_bins is None:
            raise ValueError(
                f"[{self.name}] expected a layer with num_bins in adapt(), received one with given bin_boundaries."
            )
        self.reset_state()
        for batch in batches_of(data, steps, self.name, lists_are_data=False):
            self.update_state(batch)
        if self.summary.shape[1] == 0:
            raise ValueError(f"[{self.name}] expected data in adapt(), received none.")
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Adds a batch to the summary of the data."""
        values = np.asarray(convert_to_numpy(data), dtype="float32").ravel()
        if values.size:
            merged = np.concatenate((_summarize(values, self.epsilon), self.summary), axis=1)
            self.summary = _compress(merged[:, np.argsort(merged[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Makes boundaries of the summary."""
        if self.num_bins is not None:
            self.bin_boundaries = _compress(self.summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forgets the data seen."""
        if self.num_bins is not None:
            self.summary = _NOTHING

    def call(self, inputs: Any) -> Any:
        """The bins of `inputs`, or their encoded form."""
        if self.bin_boundaries is None:
            raise ValueError(
                f"[{self.name}] expected boundaries before the first call, found none. You need to call `adapt()` first, or "
                "to pass bin_boundaries."
            )
        x = inputs if is_tensor(inputs) else ops.convert_to_tensor(inputs)
        bins = ops.digitize(ops.cast(x, self.input_dtype), np.asarray(self.bin_boundaries, dtype=self.input_dtype))
        if self.output_mode in ("multi_hot", "count") and len(bins.shape) > 2:
            bins = ops.moveaxis(bins, 1, -1)
        return encode(bins, self.output_mode, len(self.bin_boundaries) + 1, self.output_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape."""
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        shape = tuple(input_shape)
        if self.output_mode in ("multi_hot", "count") and len(shape) > 2:
            shape = (shape[0], *shape[2:], shape[1])
        return encoded_shape(shape, self.output_mode, depth)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.output_dtype)

    def load_own_variables(self, store: Any) -> None:
        """Reads the summary that files of older versions hold; the boundaries are in the config."""
        if len(store.keys()) == 1:
            self.summary = np.asarray(store["0"])

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer, and the boundaries that `adapt` found."""
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.compute_dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Discretization:
        """The layer that `get_config` described."""
        config = dict(config)
        boundaries = config["bin_boundaries"] if config.get("num_bins") is not None else None
        if boundaries is not None:
            del config["bin_boundaries"]
        layer = cls(**config)
        if boundaries is not None:
            layer.bin_boundaries = list(boundaries)
        return layer


# A summary of data is an array (2, points): values in ascending order, and how much of the data each stands for.
_NOTHING = np.zeros((2, 0), "float32")


def _summarize(values: np.ndarray, epsilon: float) -> np.ndarray:
    """About 1 / epsilon quantiles of the data."""
    step = max(values.size * epsilon, 1.0)
    points = np.sort(values)[int(step - 1) :: int(step)]
    return np.stack([points, np.full_like(points, step)])


def _compress(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """`summary` with about 1 / epsilon points, interpolated between those it has; unchanged if it has fewer."""
    if summary.shape[1] * epsilon < 1:
        return summary
    wanted = np.arange(0.0, 1.0, epsilon) + epsilon
    total = np.cumsum(summary[1])
    share = total / total[-1]
    reached = np.interp(wanted, share, total)
    return np.stack([np.interp(wanted, share, summary[0]), np.diff(reached, prepend=0.0)]).astype("float32")
