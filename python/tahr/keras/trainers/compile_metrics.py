"""The `metrics` and `weighted_metrics` arguments of `compile`, turned into metric objects per output."""

from __future__ import annotations

from typing import Any

from tahr.data.structure import flatten
from tahr.keras import metrics as metrics_module
from tahr.keras.losses import target_kind
from tahr.keras.trainers.outputs import OutputOrder

_BY_KIND = {
    "accuracy": {
        "binary": "BinaryAccuracy",
        "sparse": "SparseCategoricalAccuracy",
        "categorical": "CategoricalAccuracy",
    },
    "crossentropy": {
        "binary": "BinaryCrossentropy",
        "sparse": "SparseCategoricalCrossentropy",
        "categorical": "CategoricalCrossentropy",
    },
}
_ALIASES = {"acc": "accuracy", "accuracy": "accuracy", "ce": "crossentropy", "crossentropy": "crossentropy"}


def get_metric(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The Metric object that `identifier` (name, object, function, class) means for such targets."""
    family = _ALIASES.get(identifier.lower()) if isinstance(identifier, str) else None
    if family is not None:
        return getattr(metrics_module, _BY_KIND[family][target_kind(y_true, y_pred)])(name=identifier)
    metric = metrics_module.get(identifier)
    if isinstance(metric, metrics_module.Metric):
        if isinstance(identifier, str):
            metric.name = identifier
        return metric
    name = identifier if isinstance(identifier, str) else getattr(metric, "__name__", type(metric).__name__).strip("<>")
    return metrics_module.MeanMetricWrapper(metric, name=name)


class _OutputMetrics:
    """The metrics of one output."""

    def __init__(self, output: int, metrics: list[Any], names: list[str], weighted: bool):
        self.output, self.metrics, self.names, self.weighted = output, metrics, names, weighted


class CompileMetrics:
    """All metrics given to `compile`, with the names under which their results are reported.

    The identifiers are resolved at the first update, when the number of outputs and the kind of the targets are known.
    A metric of a model with several outputs is called `<output>_<metric>`; a name used twice gets a number, or the
    prefix `weighted_` where a weighted metric repeats an unweighted one.
    """

    name = "compile_metrics"

    def __init__(self, metrics: Any, weighted_metrics: Any = None, output_names: list[str] | None = None):
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value is not None and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"[compile] expected {argument} in a list, tuple or dict, received {value!r}. Write "
                    f"{argument}=[{value!r}]."
                )
            for leaf in flatten(value):
                if leaf is not None and not (isinstance(leaf, str) and leaf.lower() in _ALIASES):
                    metrics_module.get(leaf)  # an unknown name is an error now, not at the first batch
        self._given = (metrics, weighted_metrics)
        self._output_names = output_names
        self._order: OutputOrder | None = None
        self._groups: list[_OutputMetrics] = []

    @property
    def metrics(self) -> list[Any]:
        """The metric objects; empty before the first update."""
        return [metric for group in self._groups for metric in group.metrics]

    @property
    def variables(self) -> list[Any]:
        """The variables of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def _build(self, y_true: Any, y_pred: Any) -> None:
        order = OutputOrder(y_pred, self._output_names)
        predictions = order.predictions(y_pred)
        taken: dict[str, int] = {}
        groups = []
        for setting, weighted in zip(self._given, (False, True)):
            argument = "weighted_metrics" if weighted else "metrics"
            per_output = self._per_output(setting, order, argument)
            used = [bool(entry) for entry in per_output]
            if not any(used):
                continue
            targets = order.match(y_true, "targets y", used)
            for index, identifiers in enumerate(per_output):
                if not identifiers:
                    continue
                if targets[index] is None:
                    raise ValueError(f"[fit] expected targets y for {argument}={setting!r}, received none. Pass y.")
                metrics = [get_metric(m, targets[index], predictions[index]) for m in identifiers]
                prefix = f"{order.names[index]}_" if order.count > 1 and order.names else ""
                names = [_unique(prefix, m.name, taken, weighted) for m in metrics]
                groups.append(_OutputMetrics(index, metrics, names, weighted))
        self._groups, self._order = groups, order

    @staticmethod
    def _per_output(setting: Any, order: OutputOrder, argument: str) -> list[list[Any]]:
        if not setting:
            return [[]] * order.count
        if order.count == 1:
            if isinstance(setting, dict) and order.names is not None:
                setting = order.spread(setting, argument)
            return [[leaf for leaf in flatten(setting) if leaf is not None]]
        if isinstance(setting, dict) or len(setting) == order.count:
            entries = order.spread(setting, argument)
        elif len(flatten(setting)) == order.count:
            entries = flatten(setting)
        else:
            entries = order.spread(setting, argument)  # raises
        return [[leaf for leaf in flatten(entry) if leaf is not None] for entry in entries]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch to every metric; only the weighted ones see `sample_weight`."""
        if self._order is None:
            self._build(y_true, y_pred)
        order = self._order
        predictions = order.predictions(y_pred)  # type: ignore[union-attr]
        used = [any(group.output == index for group in self._groups) for index in range(len(predictions))]
        if not any(used):
            return
        targets = order.match(y_true, "targets y", used)  # type: ignore[union-attr]
        if sample_weight is not None and len(flatten(sample_weight)) == 1 and not isinstance(sample_weight, dict):
            weights = flatten(sample_weight) * len(predictions)
        else:
            weights = order.match(sample_weight, "sample_weight")  # type: ignore[union-attr]
        for group in self._groups:
            target, prediction = targets[group.output], predictions[group.output]
            weight = weights[group.output] if group.weighted else None
            for metric in group.metrics:
                if weight is None:
                    metric.update_state(target, prediction)
                else:
                    metric.update_state(target, prediction, sample_weight=weight)

    def named_metrics(self) -> list[tuple[str, Any]]:
        """Pairs (reported name, metric)."""
        return [pair for group in self._groups for pair in zip(group.names, group.metrics)]

    def result(self) -> dict[str, Any]:
        """Results by reported name."""
        return {name: metric.result() for name, metric in self.named_metrics()}

    def reset_state(self) -> None:
        """Starts every metric anew."""
        for metric in self.metrics:
            metric.reset_state()


def _unique(prefix: str, metric_name: str, taken: dict[str, int], weighted: bool) -> str:
    name = prefix + metric_name
    if name in taken and weighted:
        name = f"{prefix}weighted_{metric_name}"
    if name not in taken:
        taken[name] = 1
        return name
    taken[name] += 1
    return f"{name}_{taken[name] - 1}"
