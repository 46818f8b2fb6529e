"""Figures of many runs as medians, and what is expected of tahr's: each target a row, met or not."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .machine import DISTURBED
from .venvs import CONTESTANTS
from .workloads import NEIGHBOURS, TRAINING

Run = dict[str, Any]
Figures = dict[str, dict[str, dict[str, Any]]]

# (work, figure, rival or the best of them, how many times faster at least; None: shown, nothing promised)
FASTER: tuple[tuple[str, str, str, float | None], ...] = (
    ("mlp32", "us_step", "keras-jax", 2.5),
    ("mlp32", "us_step", "keras-tensorflow", 6),
    ("mlp32", "us_step", "torch", 3),
    ("mlp32", "us_step", "jax-scan", 1.5),
    ("mlp256", "us_step", "best", 1.5),
    *(("sigmoid32", "us_step", rival, None) for rival in ("keras-jax", "torch")),
    ("cnn", "us_step", "torch", 1.5),
    ("cnn", "us_step", "keras-tensorflow", 1.5),
    ("residual", "us_step", "torch", 1.15),
    ("regr32", "us_step", "keras-jax", 25),
    ("regr32", "us_step", "jax-scan", 1),
    ("widedeep", "us_step", "keras-jax", None),
    ("widedeep", "us_step", "best", None),
    ("search", "seconds", "keras-jax", 40),
    ("search", "seconds", "torch", 15),
    ("process", "wall_s", "keras-jax", 10),
    ("process", "wall_s", "keras-tensorflow", 10),
    ("one_row", "predict_us", "keras-jax", 15),
    ("one_row", "model_us", "torch", 3),
    *((work, "us_step", rival, None) for work in NEIGHBOURS for rival in ("keras-jax", "best")),
)
FLOOR = {"mlp32": 1.5, "mlp256": None, "cnn": None, "residual": None, **{work: None for work in NEIGHBOURS}}
FIRST_FACTOR, FIRST_MORE = 1.2, 0.030
MEMORY_SHARE = 0.5
GROWTH_MB = {"cycles": 5.0, "predicts": 1.0}
UNITS = {"us_step": "us a step", "seconds": "s", "wall_s": "s", "predict_us": "us", "model_us": "us"}
NAMES = {"predict_us": "`predict`", "model_us": "`model(x)`"}


@dataclass
class Row:
    """One comparison. `met` is None where nothing is promised."""

    work: str
    what: str
    ours: str
    theirs: str
    ratio: str
    target: str
    met: bool | None
    disturbed: bool


def disturbed(run: Run) -> bool:
    """Whether others used the machine meanwhile; for what is too short to tell, whether it was quiet just before."""
    return run["others"] >= DISTURBED if "others" in run else not run.get("quiet", True)


def summarise(runs: list[Run]) -> Figures:
    """Per work and contestant the median of each figure, over undisturbed runs where there are any."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if "error" not in run:
            groups.setdefault((run["work"], run["contestant"]), []).append(run)
    figures: Figures = {}
    for (work, name), group in groups.items():
        clean = [run for run in group if not disturbed(run)]
        used = clean or group
        keys = [k for k, v in used[0].items() if isinstance(v, float | int) and not isinstance(v, bool)]
        figure: dict[str, Any] = {k: statistics.median(r[k] for r in used if k in r) for k in keys}
        figure |= {"runs": len(used), "disturbed": not clean, "data": used[0].get("data", "")}
        if "logs" in used[0]:
            figure["loss"] = statistics.median(r["logs"][-1]["loss"] for r in used)
        if work == "bits":
            figure["digests"] = {r["threads"]: r["digest"] for r in group}  # weights do not depend on the company
        figures.setdefault(work, {})[name] = figure
    return figures


def number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _faster(figures: Figures) -> Iterator[Row]:
    for work, key, rival, least in FASTER:
        figure = figures.get(work, {})
        ours = figure.get("tahr")
        rivals = {n: f for n, f in figure.items() if n != "tahr" and key in f and rival in (n, "best")}
        if ours is None or not rivals:
            continue
        name = min(rivals, key=lambda n: rivals[n][key])
        theirs, ratio = rivals[name], rivals[name][key] / ours[key]
        who = CONTESTANTS[name].title
        yield Row(
            work,
            " ".join(
                v for v in (NAMES.get(key, ""), f"against {who}" + (", the best" if rival == "best" else "")) if v
            ),
            f"{number(ours[key])} {UNITS[key]}",
            number(theirs[key]),
            f"{number(ratio)} times",
            "" if least is None else "level" if least == 1 else f"{least:g} times",
            None if least is None else ratio >= least,
            ours["disturbed"] or theirs["disturbed"],
        )


def _floor(figures: Figures, gflops: float | None) -> Iterator[Row]:
    """Rows against the arithmetic's own time. A peak that some work surpasses was taken wrongly and judges nothing."""
    surpassed = gflops is not None and any(
        flop > figure["us_step"] * gflops / 1e3
        for work in FLOOR
        if (figure := figures.get(work, {}).get("tahr")) and (flop := (TRAINING | NEIGHBOURS)[work].megaflop)
    )
    for work, most in FLOOR.items():
        ours = figures.get(work, {}).get("tahr")
        flop = (TRAINING | NEIGHBOURS)[work].megaflop
        if ours is None or gflops is None or flop is None:
            continue
        floor = flop / gflops * 1e3
        ratio = ours["us_step"] / floor
        limit = "peak measured too low" if surpassed else "" if most is None else f"at most {most:g}"
        met = None if most is None or surpassed else ratio <= most
        what = f"against its floor, {number(flop)} MFLOP at {gflops:.0f} GFLOP/s"
        ours_text = f"{number(ours['us_step'])} us a step"
        yield Row(work, what, ours_text, number(floor), number(ratio), limit, met, ours["disturbed"])


def _first_epoch(figures: Figures) -> Iterator[Row]:
    for work in TRAINING:
        ours = figures.get(work, {}).get("tahr")
        if ours is None:
            continue
        first, later = ours["first_s"], ours["later_s"]
        limit = FIRST_FACTOR * later + FIRST_MORE
        yield Row(
            work,
            "first epoch against the later ones",
            f"{1e3 * first:.1f} ms",
            f"{1e3 * later:.1f}",
            f"{number(first / later)}",
            f"at most {1e3 * limit:.1f} ms",
            first <= limit,
            ours["disturbed"],
        )


def _memory(figures: Figures) -> Iterator[Row]:
    for work, figure in figures.items():
        if work in NEIGHBOURS or "tahr" not in figure or "keras-jax" not in figure:
            continue
        ours, theirs = figure["tahr"]["peak_mb"], figure["keras-jax"]["peak_mb"]
        share = ours / theirs
        what = "peak memory against Keras on JAX"
        target = f"at most {MEMORY_SHARE:g}"
        yield Row(work, what, f"{ours:.0f} MB", f"{theirs:.0f}", f"{share:.2f}", target, share <= MEMORY_SHARE, False)


def _alone(figures: Figures) -> Iterator[Row]:
    for work, most in GROWTH_MB.items():
        if ours := figures.get(work, {}).get("tahr"):
            grown, target = ours["growth_mb"], f"at most {most:g} MB"
            later = f"{ours['later_mb']:.2f} after a tenth"
            yield Row(work, "growth of resident memory", f"{grown:.2f} MB", later, "", target, grown <= most, False)
    if ours := figures.get("bits", {}).get("tahr"):
        digests: dict[int, str] = ours["digests"]
        same = len(set(digests.values())) == 1
        counts = ", ".join(str(n) for n in sorted(digests))
        met = same and len(digests) > 1
        text = "identical" if same else "different"
        yield Row("bits", f"weights with {counts} threads", text, "", "", "identical", met, False)


def evaluate(figures: Figures, gflops: float | None) -> list[Row]:
    """All comparisons that the figures allow, in the order of the works."""
    rows = [
        *_faster(figures),
        *_floor(figures, gflops),
        *_first_epoch(figures),
        *_memory(figures),
        *_alone(figures),
    ]
    order = list(figures)
    return sorted(rows, key=lambda row: order.index(row.work))
