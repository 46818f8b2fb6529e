"""Low-rank adaptation of a kernel: what Dense, EinsumDense and the convolutions share."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import initializers
from tahr.keras.layers.layer import Layer


class LowRankKernel(Layer):
    """A layer whose weight `_kernel` can be frozen, and a product of two thin matrices trained that is added to it.

    A subclass sets `lora_rank`, `lora_alpha` and `lora_enabled` by `_take_rank`, `kernel_regularizer`, `kernel_constraint`
    and `bias`, makes `_kernel` in `build`, and ends that with `_built_kernel()`.
    """

    kernel_regularizer: Any
    kernel_constraint: Any
    bias: Any
    _kernel: Any

    def _take_rank(self, lora_rank: int | None, lora_alpha: float | None) -> None:
        self.lora_rank: Any = lora_rank
        self.lora_alpha: Any = lora_rank if lora_alpha is None else lora_alpha
        self.lora_enabled = False
        self.lora_kernel_a: Any = None
        self.lora_kernel_b: Any = None

    def _built_kernel(self) -> None:
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def _full_shape(self) -> tuple[int, ...]:
        """The shape of the kernel, however it is stored."""
        return tuple(self._kernel.shape)

    def _low_rank_product(self) -> Any:
        """What `enable_lora` adds to the kernel."""
        return ops.multiply(ops.matmul(self.lora_kernel_a, self.lora_kernel_b), self.lora_alpha / self.lora_rank)

    @property
    def kernel(self) -> Any:
        """The kernel, with what `enable_lora` adds to it."""
        if not self.built:
            raise AttributeError(
                f"[{self.name}] expected a built layer, received a use of its kernel. You must build the layer before "
                "accessing `kernel`: call it on data, or build() it."
            )
        kernel = self._stored_kernel()
        if not self.lora_enabled:
            return kernel
        return ops.cast(ops.add(kernel, self._low_rank_product()), self.compute_dtype)

    def _stored_kernel(self) -> Any:
        return self._kernel

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the kernel and trains a product of two thin matrices that is added to it.

        Args:
            rank: the width of the matrices, (all axes of the kernel but the last, rank) and (rank, the last axis).
            lora_alpha: the product counts lora_alpha / rank times; `rank` if None.
            a_initializer: initializer of the first matrix.
            b_initializer: initializer of the second matrix.

        Raises:
            ValueError: if the layer is not built, has a kernel constraint, or is adapted already.

        Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021 (arXiv:2106.09685).
        """
        if self.kernel_constraint:
            raise ValueError(
                f"[{self.name}] expected a layer without kernel constraint: Lora is incompatible with kernel constraints."
            )
        if not self.built:
            raise ValueError(
                f"[{self.name}] Cannot enable lora on a layer that isn't yet built. Call it on data first."
            )
        if self.lora_enabled:
            raise ValueError(f"[{self.name}] lora is already enabled; it can be enabled once only.")
        self._tracker.unlock()
        shape = self._full_shape()
        for name, size, initializer in (
            ("lora_kernel_a", (*shape[:-1], rank), a_initializer),
            ("lora_kernel_b", (rank, shape[-1]), b_initializer),
        ):
            weight = self.add_weight(
                name=name,
                shape=size,
                initializer=initializers.get(initializer),
                dtype="float32",
                regularizer=self.kernel_regularizer,
            )
            setattr(self, name, weight)
        self._kernel.trainable = False
        self._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the layer's weights into `store`, the kernel with its adaptation as one."""
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        for i, value in enumerate([self.kernel] if self.bias is None else [self.kernel, self.bias]):
            store[str(i)] = ops.convert_to_numpy(value)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Takes the layer's weights from `store`; an adaptation starts again from nothing."""
        if not self.lora_enabled:
            super().load_own_variables(store)
            return
        for i, variable in enumerate([self._kernel] if self.bias is None else [self._kernel, self.bias]):
            variable.assign(store[str(i)])
        for variable in (self.lora_kernel_a, self.lora_kernel_b):
            variable.assign(ops.zeros(variable.shape))

    def _rank_config(self) -> dict[str, Any]:
        return {"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha} if self.lora_rank else {}
