"""A microbenchmark of every op, from the `bench` entry of its row in the test table, beside nothing: time and bandwidth.

Usage: python bench/python/ops.py [NAME ...]    (names or their beginnings; all ops with a bench entry if none)

Prints the median time per call and the bytes of inputs and outputs over it.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

import tahr  # noqa: E402
from op_rows.support import ROWS, call, inputs_of  # noqa: E402


def main() -> None:
    wanted = tuple(sys.argv[1:])
    print(f"{'op':<28}{'shapes':<36}{'us':>10}{'GB/s':>8}")
    for row in ROWS:
        if row.bench is None or (wanted and not row.op.startswith(wanted)):
            continue
        dtype = "float32" if "float32" in row.dtypes else row.dtypes[0]
        values = [None if v is None else tahr.convert_to_tensor(v) for v in inputs_of(row, row.bench, dtype)]
        outputs = call(row, values, row.bench.attrs)
        moved = sum(t.nbytes for t in (*values, *outputs) if t is not None)
        times = []
        deadline = time.perf_counter() + 0.3
        while len(times) < 5 or (time.perf_counter() < deadline and len(times) < 200):
            start = time.perf_counter()
            call(row, values, row.bench.attrs)
            times.append(time.perf_counter() - start)
        t = statistics.median(times)
        print(f"{row.op:<28}{str(list(row.bench.shapes)):<36}{t * 1e6:>10.1f}{moved / t / 1e9:>8.1f}")


if __name__ == "__main__":
    main()
