"""`ExportArchive`: a folder of graph files, one per endpoint."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tahr import _C, nest
from tahr.keras.exporting.signature import Frozen, arguments_of, names_of, spec_of
from tahr.keras.layers.layer import Layer
from tahr.tracing import trace


class ExportArchive:
    """Collects functions of models and writes each as a graph file, which `csrc/runtime` runs from C++ (docs/runtime.md).

    The folder that `write_out` makes holds `NAME.tahr` for the endpoint NAME. Weights are constants of each file, with
    the values that they have when it is written.

    Example:
        >>> import os, tempfile
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> archive = keras.export.ExportArchive()
        >>> archive.track(model)
        >>> signature = [keras.InputSpec(shape=(None, 4), dtype="float32")]
        >>> serve = archive.add_endpoint("serve", model.call, signature)
        >>> twice = archive.add_endpoint("twice", lambda x: 2.0 * model(x), signature)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive.write_out(os.path.join(folder, "archive"), verbose=False)
        ...     sorted(os.listdir(os.path.join(folder, "archive")))
        ['serve.tahr', 'twice.tahr']
    """

    def __init__(self) -> None:
        self._resources: list[Any] = []
        self._endpoints: dict[str, tuple[Any, list[str], list[str]]] = {}

    @property
    def variables(self) -> list[Any]:
        """The variables of what is tracked."""
        return [v for r in self._resources for v in r.variables]

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of them that training changes."""
        return [v for r in self._resources for v in r.trainable_variables]

    @property
    def non_trainable_variables(self) -> list[Any]:
        """Those of them that training leaves alone."""
        return [v for r in self._resources for v in r.non_trainable_variables]

    def track(self, resource: Any) -> None:
        """Notes a layer or model whose variables the endpoints use.

        Args:
            resource: a layer or model; it has to be built.

        Raises:
            ValueError: for anything else, or a layer without weights yet.
        """
        if not isinstance(resource, Layer):
            raise ValueError(
                f"[ExportArchive] track expected a layer or model, received {type(resource).__name__}. Variables and "
                "arrays that an endpoint uses need no tracking: they become constants of its graph."
            )
        if not resource.built:
            raise ValueError(
                f"[ExportArchive] track expected a layer that is built, received '{resource.name}', which is not. Call "
                "it on data, or its build(), first."
            )
        if all(r is not resource for r in self._resources):
            self._resources.append(resource)

    def add_endpoint(
        self, name: str, fn: Callable[..., Any], input_signature: Any = None, **kwargs: Any
    ) -> Callable[..., Any]:
        """Traces a function as an endpoint of the archive.

        Args:
            name: of the endpoint: letters, digits, `_`, `-` and `.`.
            fn: takes tensors, or structures of them, as `input_signature` describes. Of a model: `model.call`; it is
                called with training=False if it takes that.
            input_signature: a list with one `keras.InputSpec` or tensor, or a structure of them, per argument; unknown
                dimensions are None. May be left out for a model, or a method of one, that knows its inputs.
            kwargs: none are known.

        Returns:
            A function that runs what was traced, on tensors of the signature.

        Raises:
            ValueError: for a name that is taken or no file could have, a missing signature, or a function that cannot be
                traced.
        """
        if kwargs:
            raise TypeError(
                f"[ExportArchive] add_endpoint expected no arguments beside name, fn and input_signature, received "
                f"{sorted(kwargs)}. Leave them out: they are for converters that are not part of this package."
            )
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(name)):
            raise ValueError(
                f"[ExportArchive] add_endpoint expected a name of letters, digits, '_', '-' and '.', received {name!r}."
            )
        if name in self._endpoints:
            raise ValueError(f"[ExportArchive] the endpoint '{name}' is there already. Choose another name.")
        owner = fn if isinstance(fn, Layer) else getattr(fn, "__self__", None)
        owner = owner if isinstance(owner, Layer) else None
        if input_signature is None and owner is None:
            raise ValueError(
                f"[ExportArchive] the endpoint '{name}' expected an input_signature: a list with one "
                "keras.InputSpec(shape=..., dtype=...) per argument of the function."
            )
        arguments = arguments_of(owner, input_signature)
        flat = nest.flatten(arguments)
        fixed = {"training": False} if isinstance(fn, Layer) or "training" in inspect.signature(fn).parameters else {}
        outputs: list[str] = []

        def call(*tensors: Any) -> Any:
            result = fn(*nest.pack_sequence_as(arguments, list(tensors)), **fixed)
            if isinstance(result, dict):
                outputs.extend(str(key) for key in sorted(result))
            return result

        traced = trace(call, [spec_of(owner, s) for s in flat], may_create_variables=False)
        _C.freeze_graph(traced.graph)  # errors belong to the endpoint that makes them
        count = len(traced.graph.output_shapes())
        self._endpoints[name] = (
            traced,
            names_of(None, [getattr(s, "name", None) for s in flat], "input"),
            names_of(outputs, [None] * count, "output"),
        )

        def run(*inputs: Any) -> Any:
            return traced([_C.to_tensor(x, None, f"[{name}] an input") for x in nest.flatten(inputs)])

        return run

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Any, **kwargs: Any
    ) -> Callable[..., Any]:
        """As `track(resource)` and `add_endpoint(name, resource, input_signature)`."""
        self.track(resource)
        return self.add_endpoint(name, resource, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Not possible: the variables of a graph file are constants of its graphs.

        Raises:
            NotImplementedError: always; it names what to use instead.
        """
        raise NotImplementedError(
            f"[ExportArchive] cannot keep the collection '{name}' of {len(list(variables))} variables: the weights of a "
            "graph file are constants. Save them beside it with model.save_weights(path)."
        )

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Writes the endpoints, one graph file each, into the folder `filepath`, which replaces one of earlier.

        Args:
            filepath: path of the folder.
            options: has to be None; options are TensorFlow's.
            verbose: whether to print what was written.

        Raises:
            ValueError: without an endpoint, or if something else than an archive is at that path.
        """
        if options is not None:
            raise ValueError(f"[ExportArchive] write_out expected options=None, received {options!r}. Leave them out.")
        if not self._endpoints:
            raise ValueError("[ExportArchive] write_out expected an endpoint. Call add_endpoint first.")
        target = Path(filepath)
        if target.is_file() or (target.is_dir() and any(p.suffix != ".tahr" for p in target.iterdir())):
            raise ValueError(
                f"[ExportArchive] write_out expected a new folder, or one of graph files, received '{target}', which "
                "holds something else. Choose another path."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, endpoint in self._endpoints.items():
                graph = self._frozen(*endpoint)
                content = _C.graph_bytes(graph.function, graph.inputs, graph.outputs)
                (folder / f"{name}.tahr").write_bytes(content)
                if verbose:
                    print(f"{name}: {len(content):,} bytes, inputs {graph.inputs}, outputs {graph.outputs}")
            folder.chmod(0o777 & ~_umask())
            if target.exists():
                shutil.rmtree(target)
            os.replace(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if verbose:
            print(f"Wrote {target}.")

    @staticmethod
    def _frozen(traced: Any, inputs: list[str], outputs: list[str]) -> Frozen:
        return Frozen(_C.freeze_graph(traced.graph), inputs, outputs)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
