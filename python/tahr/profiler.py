"""Where the time of traced functions goes: per kind of node, beside what the machine could do.

    >>> import tahr
    >>> from tahr import profiler
    >>> f = tahr.function(lambda x: tahr.matmul(x, x))
    >>> with profiler.profile() as p:
    ...     _ = f(tahr.ops.ones((64, 64)))
    >>> [row.op for row in p.rows()]
    ['matmul']

`print(p.table())` shows it. `TAHR_VERBOSE=1` in the environment prints a line per compiled graph, and the table of the
whole process at its end. What runs op by op, outside of `tahr.function`, `fit`, `evaluate` and `predict`, is not seen here.
The time of a loop or branch includes that of the nodes of its bodies, which have rows of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from tahr import _C
from tahr.graph_view import op_label, svg

__all__ = ["Machine", "Profile", "Row", "machine", "profile"]


class Machine(NamedTuple):
    """What this machine reaches with the current number of threads: arithmetic of a large float32 product, and bytes read
    and written per second by a simple loop over data of several sizes."""

    flops_per_second: float
    bandwidths: list[tuple[float, float]]

    def floor(self, flops: float, nbytes: float) -> float:
        """The least seconds that so much arithmetic on so many bytes can take."""
        speed = self.bandwidths[0][1]
        for size, bandwidth in self.bandwidths:
            if size <= nbytes:
                speed = bandwidth
        return max(flops / self.flops_per_second, nbytes / speed)


def machine() -> Machine:
    """Measured at the first call, which takes about a second; the same from then on.

    Example:
        >>> from tahr import profiler
        >>> profiler.machine().flops_per_second > 1e8
        True
    """
    m = _C.machine()
    return Machine(m["flops_per_second"], m["bandwidths"])


class Row(NamedTuple):
    """Nodes of one kind: an op on inputs of certain shapes.

    Attributes:
        op: the op, with what is fused into it.
        shapes: of its inputs and results.
        runs: how often nodes of this kind ran.
        seconds: of all runs; each includes about 30 ns for reading the clock.
        fastest: seconds of the shortest run: what is left when nothing else disturbs the machine.
        flops: arithmetic of matrix products, all runs.
        bytes: read and written, all runs.
    """

    op: str
    shapes: str
    runs: int
    seconds: float
    fastest: float
    flops: float
    bytes: float


class Profile:
    """What ran while a profile was on.

    Attributes:
        functions: a report per graph that ran: its values, its nodes with times, its memory.
    """

    def __init__(self) -> None:
        self.functions: list[dict[str, Any]] = []

    def rows(self) -> list[Row]:
        """Kinds of nodes, the slowest first."""
        sums: dict[tuple[str, str], list[float]] = {}
        fastest: dict[tuple[str, str], float] = {}
        for report in self.functions:
            values = report["values"]
            for node in report["nodes"]:
                if not node["runs"]:
                    continue
                kind = (op_label(node), _shapes(values, node))
                total = sums.setdefault(kind, [0, 0.0, 0.0, 0.0])
                fastest[kind] = min(fastest.get(kind, node["fastest"]), node["fastest"])
                runs = node["runs"]
                for i, amount in enumerate((runs, node["seconds"], node["flops"] * runs, node["bytes"] * runs)):
                    total[i] += amount
        rows = [Row(*kind, int(t[0]), t[1], fastest[kind], t[2], t[3]) for kind, t in sums.items()]
        return sorted(rows, key=lambda row: -row.seconds)

    def table(self, limit: int = 40) -> str:
        """The slowest `limit` kinds of nodes: mean and shortest time of a run, share of the whole; then, of the shortest
        run, arithmetic and memory speed, and how many times the floor it takes: the larger of arithmetic at the machine's
        peak and bytes at its bandwidth.

        Example:
            >>> import tahr
            >>> from tahr import profiler
            >>> with profiler.profile() as p:
            ...     _ = tahr.function(lambda x: x + 1.0)(tahr.ops.ones((64, 64)))
            >>> print(p.table().splitlines()[1].split()[:4])
            ['us/run', 'least', 'runs', 'share']
        """
        rows = self.rows()
        if not rows:
            return "no traced function ran"
        m = machine()
        whole = sum(row.seconds for row in rows)
        steps = max((n["runs"] for f in self.functions for n in f["nodes"]), default=0)
        least = sum(row.fastest * row.runs for row in rows)
        floors = [m.floor(row.flops / row.runs, row.bytes / row.runs) for row in rows]
        floor = sum(f * row.runs for f, row in zip(floors, rows))
        speeds = ", ".join(f"{speed / 1e9:.0f} GB/s at {_size(size)}" for size, speed in m.bandwidths)
        lines = [
            f"{whole * 1e3:.2f} ms in {sum(row.runs for row in rows)} kernels of {len(self.functions)} graph(s), the most "
            f"frequent run {steps} times; undisturbed {least * 1e3:.2f} ms, {least / max(floor, 1e-12):.1f} x the floor "
            f"({m.flops_per_second / 1e9:.0f} GFLOP/s; {speeds})",
            f"{'us/run':>9} {'least':>9} {'runs':>8} {'share':>6} {'GFLOP/s':>8} {'GB/s':>7} {'x floor':>8}  op and shapes",
        ]
        for row, f in list(zip(rows, floors))[:limit]:
            taken = max(row.fastest, 1e-9)
            lines.append(
                f"{row.seconds / row.runs * 1e6:9.2f} {row.fastest * 1e6:9.2f} {row.runs:8d} {row.seconds / whole:6.1%} "
                f"{row.flops / row.runs / taken / 1e9:8.1f} {row.bytes / row.runs / taken / 1e9:7.1f} "
                f"{taken / f if f else 0:8.1f}  {_short(row.op)} {row.shapes}"
            )
        if len(rows) > limit:
            rest = sum(row.seconds for row in rows[limit:])
            lines.append(f"{'':28} {rest / whole:6.1%}  {'':25} {len(rows) - limit} more")
        return "\n".join(lines)

    def svg(self, function: int = 0) -> str:
        """A picture of one of the graphs, with the time of each node (`tahr.graph_view.svg`)."""
        return svg(self.functions[function])


@contextlib.contextmanager
def profile() -> Iterator[Profile]:
    """Times every node of the traced functions that run inside, in all threads.

    Example:
        >>> import tahr
        >>> from tahr import profiler
        >>> f = tahr.function(lambda x: x * 2.0)
        >>> with profiler.profile() as p:
        ...     for _ in range(3):
        ...         _ = f(tahr.ops.ones((8,)))
        >>> p.rows()[0].runs
        3
    """
    result = Profile()
    number = _C.start_profile()
    try:
        yield result
    finally:
        result.functions = _C.stop_profile(number)


def profile_process() -> None:
    """Profiles until the end of the process, and prints the table to standard error then."""
    number = _C.start_profile()

    def finish() -> None:
        result = Profile()
        result.functions = _C.stop_profile(number)
        if result.functions:
            print(result.table(), file=sys.stderr)

    atexit.register(finish)


def _shapes(values: list[dict[str, Any]], node: dict[str, Any]) -> str:
    def show(ids: list[int]) -> str:
        shown: list[str] = []
        for i in ids:
            if i >= 0:
                shown.append("(" + ", ".join("?" if d is None else str(d) for d in values[i]["shape"]) + ")")
        return " ".join(shown[:5]) + (f" +{len(shown) - 5}" if len(shown) > 5 else "")

    return show(node["in"]) + (" -> " + show(node["out"]) if node["out"] else "")


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _size(nbytes: float) -> str:
    return f"{nbytes / 1024:.0f} KiB" if nbytes < 1 << 20 else f"{nbytes / (1 << 20):.0f} MiB"
