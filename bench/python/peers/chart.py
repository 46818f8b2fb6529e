"""The picture for docs/performance.md: time per step of every contestant, a panel per work."""

from __future__ import annotations

from pathlib import Path

from .report import speed
from .targets import Figures, number
from .venvs import CONTESTANTS
from .workloads import title

OURS, THEIRS = "#c2541b", "#8a99a8"


def draw(figures: Figures, path: Path) -> None:
    """Writes an SVG or PNG, by the name's ending. Bars have a linear axis each, their figures and ratios beside them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    matplotlib.rcParams |= {"svg.hashsalt": "tahr", "svg.fonttype": "none"}  # the same figures, the same small file
    works = [work for work, contest in figures.items() if any(speed(f) for f in contest.values()) and len(contest) > 1]
    if not works:
        raise SystemExit("[compare] expected a work done by two contestants for the chart, received none.")
    columns = 2 if len(works) > 1 else 1
    lines = -(-len(works) // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(5.6 * columns, 2.3 * lines), squeeze=False)
    for axis in axes.flat[len(works) :]:
        axis.set_axis_off()
    for axis, work in zip(axes.flat, works):
        contest = figures[work]
        names = [n for n in reversed(CONTESTANTS) if n in contest and speed(contest[n])]
        key, heading = speed(contest[names[0]]) or ("", "")
        values = [contest[n][key] for n in names]
        bars = axis.barh(
            [CONTESTANTS[n].title for n in names], values, color=[OURS if n == "tahr" else THEIRS for n in names]
        )
        ours = contest.get("tahr", {}).get(key)
        labels = [number(v) + (f"  ({number(v / ours)}×)" if ours and v != ours else "") for v in values]
        axis.bar_label(bars, labels, padding=3, fontsize=8)
        axis.set_xlim(0, 1.35 * max(values))
        axis.set_title(f"{title(work)}: {heading.replace('`', '')}", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)
