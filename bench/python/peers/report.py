"""A measured run as tables: plain text for the terminal, Markdown for the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .targets import Figures, Row, evaluate, number, summarise
from .venvs import CONTESTANTS
from .workloads import GROUPS, title

BEGIN, END = "<!-- compare.py: begin -->", "<!-- compare.py: end -->"
# (figure, heading, factor) of the columns, the first present being what is compared
SPEED = (("us_step", "us a step"), ("seconds", "s"), ("wall_s", "s"), ("model_us", "`model(x)`, us"))
REMARK = "~ others used the machine meanwhile."


def ordered(figures: Figures) -> Figures:
    return {work: figures[work] for work in GROUPS["all"] if work in figures}


def speed(figure: dict[str, Any]) -> tuple[str, str] | None:
    return next(((key, heading) for key, heading in SPEED if key in figure), None)


def _details(figure: dict[str, Any]) -> str:
    parts = []
    if "first_s" in figure:
        parts.append(f"first epoch {number(1e3 * figure['first_s'])} ms, later {number(1e3 * figure['later_s'])}")
    if "import_s" in figure:
        parts.append(f"import {figure['import_s']:.2f} s, build and train {figure['build_and_train_s']:.2f}")
    for key, name in (("predict_us", "`predict`"), ("predict_on_batch_us", "`predict_on_batch`")):
        if key in figure:
            parts.append(f"{name} {number(figure[key])} us")
    if "loss" in figure:
        parts.append(f"loss {figure['loss']:.3f}")
    return "; ".join(parts)


def contest_rows(work: str, figures: Figures) -> list[list[str]]:
    """[work, contestant, figure, ratio to tahr, peak memory, details] of each contestant of a work."""
    rows = []
    contest = figures[work]
    ours = contest.get("tahr")
    for name in (n for n in CONTESTANTS if n in contest):
        figure = contest[name]
        found = speed(figure)
        if found is None:
            continue
        key, heading = found
        ratio = number(figure[key] / ours[key]) if ours and key in ours else ""
        value = ("~" if figure["disturbed"] else "") + f"{number(figure[key])} {heading}"
        memory = f"{figure['peak_mb']:.0f}"
        rows.append([work, CONTESTANTS[name].title, value, ratio, memory, _details(figure)])
    return rows


def target_row(row: Row) -> list[str]:
    verdict = {True: "met", False: "not met", None: ""}[row.met]
    return [row.work, row.what, ("~" if row.disturbed else "") + row.ours, row.theirs, row.ratio, row.target, verdict]


CONTEST_HEAD = ["work", "contestant", "median", "over tahr", "peak MB", "more"]
TARGET_HEAD = ["work", "compared", "tahr", "other", "ratio", "target", ""]


def plain(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in [head, *rows])


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def tables(record: dict[str, Any]) -> tuple[Figures, list[list[str]], list[list[str]]]:
    figures = ordered(summarise(record["runs"]))
    contests = [row for work in figures for row in contest_rows(work, figures)]
    rows = [target_row(row) for row in evaluate(figures, record.get("peak_gflops"))]
    return figures, contests, rows


def text(record: dict[str, Any]) -> str:
    _, contests, rows = tables(record)
    met, missed = (sum(row[-1] == verdict for row in rows) for verdict in ("met", "not met"))
    parts = [
        f"{record['machine']}; {record['threads']} threads; {record['repeats']} rounds; "
        f"waited {record['waited_s']:.0f} s for quiet",
        plain(CONTEST_HEAD, contests),
        plain(TARGET_HEAD, rows),
        f"{met} targets met, {missed} not met. {REMARK}",
    ]
    failed = [f"failed: {r['contestant']} on {r['work']}: {r['error']}" for r in record["runs"] if "error" in r]
    left_out = [f"left out: {name} (not installed)" for name in record.get("missing", ())]
    return "\n\n".join(parts + (["\n".join(failed + left_out)] if failed or left_out else []))


def markdown(record: dict[str, Any], chart: str | None) -> str:
    figures, contests, rows = tables(record)
    versions = {f"{package} {v}" for found in record["versions"].values() for package, v in found.items()}
    sources = sorted({f["data"] for contest in figures.values() for f in contest.values() if f["data"]})
    works = "\n".join(f"- `{work}`: {title(work)}" for work in figures)
    lines = [
        f"`{record['command']}`",
        "",
        f"{record['machine']}; {record['threads']} threads, float32; medians of {record['repeats']} interleaved rounds, each"
        f" measurement in a process of its own. Data: {', '.join(sources)}. Installed: {', '.join(sorted(versions))}.",
        "",
        *([f"![Time per step]({chart})", ""] if chart else []),
        works,
        "",
        markdown_table(TARGET_HEAD, rows),
        "",
        markdown_table(CONTEST_HEAD, contests),
    ]
    if any("~" in cell for row in rows + contests for cell in row):
        lines += ["", REMARK]
    return "\n".join(lines)


def write_section(path: Path, body: str) -> None:
    """Puts the section between its two marks in the document; a document without them gets it at the end."""
    document = path.read_text() if path.exists() else ""
    section = f"{BEGIN}\n{body}\n{END}"
    if BEGIN in document and END in document:
        head, rest = document.split(BEGIN, 1)
        document = head + section + rest.split(END, 1)[1]
    else:
        document = f"{document.rstrip()}\n\n## Training beside other frameworks\n\n{section}\n"
    path.write_text(document)
