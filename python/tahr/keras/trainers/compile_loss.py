"""The `loss` and `loss_weights` arguments of `compile`, turned into one function of targets and predictions."""

from __future__ import annotations

from typing import Any, NamedTuple

from tahr import ops
from tahr.data.structure import flatten, is_nested
from tahr.keras import losses as losses_module
from tahr.keras import metrics as metrics_module
from tahr.keras import tree
from tahr.keras.trainers import checks, nested_losses
from tahr.keras.trainers.outputs import OutputOrder


class OutputLoss(NamedTuple):
    """One loss of one output."""

    output: int
    loss: Any
    weight: float | None
    name: str


class CompileLoss:
    """The total loss of a model: the weighted sum of the losses of its outputs.

    The identifiers are resolved at the first call, when the number of outputs and the kind of the targets are known.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: list[str] | None = None):
        if isinstance(loss_weights, (list, tuple)) and any(isinstance(x, str) or callable(x) for x in loss_weights):
            raise ValueError(
                f"[compile] expected loss_weights to hold numbers, received {loss_weights}. The third argument of "
                "compile() is loss_weights: pass metrics by name, compile(optimizer, loss, metrics=[...])."
            )
        if loss_weights is not None and not isinstance(loss_weights, (list, tuple, dict, float, int)):
            raise ValueError(
                "[compile] expected loss_weights to be a float (one output) or a list, tuple or dict of floats, "
                "received "
                f"{loss_weights!r} of type {type(loss_weights).__name__}."
            )
        for leaf in flatten(loss):
            if leaf is not None and not (isinstance(leaf, str) and leaf.lower() in ("crossentropy", "ce")):
                losses_module.get(leaf)  # an unknown name is an error now, not at the first batch
        self._loss = loss
        self._loss_weights = loss_weights
        self._output_names = output_names
        self._order: OutputOrder | None = None
        self._losses: list[OutputLoss] = []
        self._placed: list[nested_losses.PlacedLoss] = []  # where losses are for parts of nested outputs
        self._used: list[bool] = []
        self._all_targets: tuple[Any, str] | None = None
        self.metrics: list[Any] = []  # one mean per loss where there are several

    def check_all_targets(self, y: Any, where: str) -> None:
        """Has the next call check the range of all labels `y`, of which it is given the first batch."""
        self._all_targets = (y, where)

    def allows_nan(self) -> bool:
        """True where a function or class of the user's may mask NaN targets itself."""
        return any(
            leaf is not None
            and not isinstance(leaf, str)
            and not str(getattr(leaf, "__module__", type(leaf).__module__)).startswith("tahr.")
            for leaf in flatten(self._loss)
        )

    def _build(self, y_true: Any, y_pred: Any) -> None:
        order = OutputOrder(y_pred, self._output_names)
        setting, weights = self._loss, self._loss_weights
        if nested_losses.is_structural(setting, y_pred):
            self._place(y_true, y_pred, order)
            return
        if order.count == 1 and not (isinstance(setting, dict) and order.names is not None):
            per_output = [flatten(setting)]
        elif is_nested(setting):
            flat = setting if isinstance(setting, dict) or len(setting) == order.count else flatten(setting)
            per_output = [[one] if not is_nested(one) else flatten(one) for one in order.spread(flat, "loss")]
        else:
            per_output = [[setting]] * order.count
        total = sum(1 for group in per_output for one in group if one is not None)
        if weights is None:
            flat_weights: list[Any] = [None] * order.count
        elif isinstance(weights, (float, int)):
            if total != 1:
                raise ValueError(
                    f"[compile] expected loss_weights with one entry for each of the {total} losses, received "
                    f"{weights!r}."
                )
            flat_weights = [weights] * order.count
        else:
            flat_weights = order.spread(weights, "loss_weights")
        self._used = [any(one is not None for one in group) for group in per_output]
        targets = order.match(y_true, "targets y", self._used)
        predictions = order.predictions(y_pred)
        resolved, names = [], set()
        for index, group in enumerate(per_output):
            for identifier in group:
                if identifier is None:
                    continue
                if targets[index] is None:
                    label = f" of output {order.names[index]!r}" if order.names else ""
                    raise ValueError(
                        f"[fit] expected targets y for the loss{label}, received none. Pass y, or compile with "
                        f"loss=None and "
                        "call add_loss() in the layers."
                    )
                loss = losses_module.resolve(identifier, targets[index], predictions[index])
                base = name = order.names[index] if order.names else loss.name
                number = 0
                while name in names:
                    number += 1
                    name = f"{base}_{number}"
                names.add(name)
                resolved.append(OutputLoss(index, loss, flat_weights[index], name))
        if len(resolved) > 1:
            self.metrics = [metrics_module.Mean(name=f"{one.name}_loss") for one in resolved]
        self._losses, self._order = resolved, order

    def _place(self, y_true: Any, y_pred: Any, order: OutputOrder) -> None:
        names = self._output_names if self._output_names and len(self._output_names) == order.count else None
        placed = []
        targets = _nested_like(y_pred, y_true, "targets y")
        for path, identifier, weight, name in nested_losses.place(self._loss, self._loss_weights, y_pred, names):
            target, prediction = nested_losses.at(path, targets), nested_losses.at(path, y_pred)
            loss = losses_module.resolve(identifier, target, prediction)
            placed.append(nested_losses.PlacedLoss(path, loss, weight, name))
        if len(placed) > 1:
            self.metrics = [metrics_module.Mean(name=f"{one.name}_loss") for one in placed]
        self._placed, self._order, self._used = placed, order, [True] * order.count

    def _placed_total(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        targets = _nested_like(y_pred, y_true, "targets y")
        if tree.is_nested(sample_weight):
            sample_weight = _nested_like(y_pred, sample_weight, "sample_weight")
        total = None
        for index, one in enumerate(self._placed):
            prediction = nested_losses.at(one.path, y_pred)
            weight = nested_losses.at(one.path, sample_weight) if tree.is_nested(sample_weight) else sample_weight
            if tree.is_nested(weight):
                raise ValueError(
                    f"[fit] expected one sample_weight for the loss of several outputs {one.name!r}, received one per "
                    "output. Pass a single array."
                )
            value = one.loss(nested_losses.at(one.path, targets), prediction, weight)
            if self.metrics:
                self.metrics[index].update_state(value, sample_weight=tree.flatten(prediction)[0].shape[0])
            if one.weight is not None:
                value = value * one.weight
            total = value if total is None else total + ops.cast(value, total.dtype)
        return total

    def _check_label_ranges(self, predictions: list[Any]) -> None:
        y, where = self._all_targets  # type: ignore[misc]
        targets = self._order.match(y, "targets y", self._used)  # type: ignore[union-attr]
        for one in self._losses:
            target = targets[one.output]
            if target is None:
                continue
            kind = getattr(one.loss, "name", None) or type(one.loss).__name__
            name = "y" if len(targets) == 1 else f"y (output {one.name!r})"
            if "sparse_categorical_crossentropy" in kind or type(one.loss).__name__ == "SparseCategoricalCrossentropy":
                axis = getattr(one.loss, "axis", -1)
                classes = predictions[one.output].shape[-1 if axis is None else axis]
                if classes:
                    checks.check_whole_labels(target, name, where)
                    checks.check_label_range(target, classes, name, where, getattr(one.loss, "ignore_class", None))
            elif kind == "binary_crossentropy" or type(one.loss).__name__ == "BinaryCrossentropy":
                checks.check_binary_labels(target, name, where)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The total loss of a batch, a scalar; None where every output has loss None."""
        if self._order is None:
            self._build(y_true, y_pred)
        if self._placed:
            return self._placed_total(y_true, y_pred, sample_weight)
        order = self._order
        predictions = order.predictions(y_pred)  # type: ignore[union-attr]
        if self._all_targets is not None:
            self._check_label_ranges(predictions)
            self._all_targets = None
        if len(self._losses) == 1 and order.count == 1:  # type: ignore[union-attr]
            one = self._losses[0]
            target = flatten(y_true)[0]
            weight = flatten(sample_weight)[0] if sample_weight is not None else None
            value = _value(one, target, predictions[0], weight)
            return value if one.weight is None else value * one.weight
        targets = order.match(y_true, "targets y", self._used)  # type: ignore[union-attr]
        weights = self._match_weights(sample_weight)
        total = None
        for index, one in enumerate(self._losses):
            value = _value(one, targets[one.output], predictions[one.output], weights[one.output])
            if self.metrics:
                self.metrics[index].update_state(value, sample_weight=predictions[one.output].shape[0])
            if one.weight is not None:
                value = value * one.weight
            total = value if total is None else total + ops.cast(value, total.dtype)
        return total

    def _match_weights(self, sample_weight: Any) -> list[Any]:
        if sample_weight is not None and len(flatten(sample_weight)) == 1 and not isinstance(sample_weight, dict):
            return flatten(sample_weight) * self._order.count  # type: ignore[union-attr]
        return self._order.match(sample_weight, "sample_weight", self._used)  # type: ignore[union-attr]


def _value(one: OutputLoss, target: Any, prediction: Any, weight: Any) -> Any:
    try:
        return one.loss(target, prediction, weight)
    except (ValueError, TypeError) as error:
        wanted, received = tuple(getattr(prediction, "shape", ())), tuple(getattr(target, "shape", ()))
        if wanted == received or not str(error).startswith("["):
            raise
        loss = getattr(one.loss, "name", None) or type(one.loss).__name__
        output = f"output {one.name!r}" if one.name != loss else "the output"
        raise ValueError(
            f"[{loss}] expected targets y that fit {output} of shape {wanted}, received targets of shape {received}. Give "
            f"the layer of that output as many units as the targets have values, or correct the targets. ({error})"
        ) from error


def _nested_like(y_pred: Any, value: Any, name: str) -> Any:
    """`value`, which has an entry for each output, nested as the outputs are."""
    leaves, count = tree.flatten(value), len(tree.flatten(y_pred))
    if len(leaves) != count:
        raise ValueError(
            f"[fit] expected {name} nested as the {count} outputs, received {len(leaves)} arrays. Pass one for each "
            "output, in the same structure."
        )
    return tree.pack_sequence_as(y_pred, leaves)
