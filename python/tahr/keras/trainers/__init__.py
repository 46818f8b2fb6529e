"""Training: `compile`, `fit`, `evaluate`, `predict`.

What lives here: `trainer.py` (class Trainer, mixed into every Model), `stepping.py` (its base: compile, losses, metrics and
one step), `steps.py` (steps as traces), `loop.py` (epochs in the engine), `compile_loss.py` and `compile_metrics.py` (what
`compile` makes of its `loss` and `metrics` arguments), `checks.py` (messages for bad input) and `data/` (from whatever
the user passes as data to a stream of batches). What does not: layers, losses, metrics, optimizers, callbacks, which
live in their own folders. One training step is `Stepping._train_step`, a function of one batch and the variables only;
epochs, callbacks and printing stay outside it.
"""

from tahr.keras.trainers.trainer import Trainer

__all__ = ["Trainer"]
