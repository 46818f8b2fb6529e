"""Layers that wrap code of other frameworks: JAX, Flax, TensorFlow, PyTorch.

Keras offers each with the one or two backends that can run such code, and refuses it with the others. The names are here
with that refusal, which says what to do.
"""

from __future__ import annotations

from typing import Any

from tahr.keras.layers.layer import Layer


def _refuse(layer: str, framework: str, instead: str) -> NotImplementedError:
    return NotImplementedError(f"[{layer}] expected a backend that runs {framework}, received tahr. {instead}")


class JaxLayer(Layer):
    """A function of JAX as a layer: with Keras's backends "jax" and "tensorflow" alone.

    Args:
        call_fn, init_fn, params, state, seed, native_serialization_platforms: as in Keras.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        call_fn: Any,
        init_fn: Any = None,
        params: Any = None,
        state: Any = None,
        seed: Any = None,
        native_serialization_platforms: Any = None,
        **kwargs: Any,
    ) -> None:
        raise _refuse(
            type(self).__name__, "JAX", "Write the function with keras.ops, in call() of a layer of your own."
        )


class FlaxLayer(JaxLayer):
    """A module of Flax as a layer: with Keras's backends "jax" and "tensorflow" alone.

    Args:
        module, method, variables: as in Keras.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, module: Any, method: Any = None, variables: Any = None, **kwargs: Any) -> None:
        super().__init__(module, **kwargs)


class TFSMLayer(Layer):
    """A SavedModel of TensorFlow as a layer: with Keras's backend "tensorflow" alone.

    Args:
        filepath, call_endpoint, call_training_endpoint, trainable, name, dtype: as in Keras.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        filepath: Any,
        call_endpoint: str = "serve",
        call_training_endpoint: str | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        raise _refuse(
            "TFSMLayer",
            "TensorFlow's SavedModels",
            "Save the model as .keras there, and read it with keras.saving.load_model.",
        )


class TorchModuleWrapper(Layer):
    """A module of PyTorch as a layer: with Keras's backend "torch" alone.

    Args:
        module, name, output_shape: as in Keras.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, module: Any, name: str | None = None, output_shape: Any = None, **kwargs: Any) -> None:
        raise _refuse(
            "TorchModuleWrapper",
            "PyTorch",
            "Build the module of keras.layers, and copy its parameters by set_weights().",
        )
