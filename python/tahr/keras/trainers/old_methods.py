"""Methods of models in older versions of Keras, as calls of today's."""

from __future__ import annotations

from typing import Any

import numpy as np


class OldMethods:
    """`predict_classes`, `fit_generator` and their relatives; mixed into `Trainer`."""

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> np.ndarray:
        """The class of each sample: where the output is largest; for a single output, whether it is above 1/2.

        Args:
            x, batch_size, verbose: as in `predict`.

        Returns:
            Integers (samples,), or (samples, 1) of 0 and 1 for a model with one output unit.

        Example:
            >>> import numpy as np
            >>> from tahr import keras
            >>> model = keras.Sequential([keras.layers.Activation("linear")])
            >>> model.predict_classes(np.array([[0.1, 0.9], [0.8, 0.2]]))
            array([1, 0])
        """
        probabilities = self.predict(x, batch_size=batch_size, verbose=verbose)  # type: ignore[attr-defined]
        if probabilities.shape[-1] > 1:
            return probabilities.argmax(axis=-1)
        return (probabilities > 0.5).astype("int32")

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """`predict`."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)  # type: ignore[attr-defined]

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int | str = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> Any:
        """`fit` on batches from a generator; arguments as there."""
        return self.fit(  # type: ignore[attr-defined]
            generator,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
        )

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
    ) -> Any:
        """`evaluate` on batches from a generator; arguments as there."""
        return self.evaluate(  # type: ignore[attr-defined]
            generator,
            steps=steps,
            callbacks=callbacks,
            verbose=verbose,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
        )

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
    ) -> Any:
        """`predict` on batches from a generator; arguments as there."""
        return self.predict(  # type: ignore[attr-defined]
            generator,
            steps=steps,
            callbacks=callbacks,
            verbose=verbose,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
        )

    def to_yaml(self, **kwargs: Any) -> str:
        """Always raises: reading YAML can run code.

        Raises:
            RuntimeError: that names `to_json`.
        """
        raise RuntimeError("[Model] to_yaml was removed because reading YAML can run code. Use to_json().")
