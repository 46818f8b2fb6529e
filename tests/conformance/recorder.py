"""pytest plugin: record every outcome as one JSON line; scope foreign stubs.

Environment:
  CONF_OUT     path of the JSONL file that is appended to
  CONF_SELECT  optional path of a file with the test ids to run (others dropped)
  CONF_SKIP    optional path of a file with test ids not to run (resume)
  CONF_SAMPLE  optional "PATH_SUBSTRING:N": of matching ids keep 1 in N (by hash)
"""

import json
import os
import re
import time
import zlib

import foreign_stubs
import pytest


def _lines(var):
    path = os.environ.get(var)
    if not path:
        return None
    with open(path) as f:
        return {ln.rstrip("\n") for ln in f if ln.strip() and not ln.startswith("#")}


def first_line(text, limit=300):
    for ln in str(text).splitlines():
        ln = ln.strip()
        if ln:
            return ln[:limit]
    return ""


def error_line(call):
    """`Type: first informative line` of the exception of a failed phase."""
    if call.excinfo is None:
        return ""
    exc = call.excinfo.value
    lines = [ln.strip() for ln in str(exc).splitlines() if ln.strip()]
    msg = " | ".join(lines[:3])[:400]
    return f"{type(exc).__name__}: {msg}"


class StableIds:
    """Test ids without memory addresses, numbered where that makes them equal."""

    def __init__(self):
        self.by_node, self.count = {}, {}

    def __call__(self, nodeid):
        if nodeid not in self.by_node:
            sid = re.sub(r"0x[0-9a-f]{6,}", "0x", nodeid)
            n = self.count[sid] = self.count.get(sid, 0) + 1
            self.by_node[nodeid] = sid if n == 1 else f"{sid}#{n}"
        return self.by_node[nodeid]


class Recorder:
    def __init__(self):
        self.sid = StableIds()
        self.f = open(os.environ["CONF_OUT"], "a", buffering=1)
        self.phase = {}
        self.select = _lines("CONF_SELECT")
        self.skip = _lines("CONF_SKIP") or set()
        sample = os.environ.get("CONF_SAMPLE", "")
        self.samples = []
        for part in filter(None, sample.split(",")):
            sub, _, n = part.rpartition(":")
            self.samples.append((sub, int(n)))

    def write(self, **kw):
        self.f.write(json.dumps(kw) + "\n")

    def pytest_collection_modifyitems(self, session, config, items):
        counts = {}
        for it in items:
            path = it.nodeid.split("::")[0]
            counts[path] = counts.get(path, 0) + 1
        for path, n in counts.items():
            self.write(ev="collected", path=path, n=n)
        keep, drop = [], []
        for it in items:
            nid = self.sid(it.nodeid)
            ok = nid not in self.skip
            if ok and self.select is not None:
                ok = nid in self.select
            elif ok:
                for sub, n in self.samples:
                    if sub in nid and zlib.crc32(nid.encode()) % n:
                        ok = False
            (keep if ok else drop).append(it)
        items[:] = keep
        if drop:
            config.hook.pytest_deselected(items=drop)

    def pytest_collectreport(self, report):
        if report.failed:
            text = str(report.longrepr)
            lines = [ln.strip() for ln in text.splitlines() if ln.strip()]
            errs = [ln for ln in lines if ln.startswith("E ")]
            self.write(
                ev="collect_error",
                path=report.nodeid,
                error=(errs or lines or [""])[-1][:400],
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid, location):
        self.write(ev="start", id=self.sid(nodeid))
        self.phase = {"t": time.time(), "outcome": None, "error": ""}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        foreign_stubs.IN_TEST[0] = True
        try:
            yield
        finally:
            foreign_stubs.IN_TEST[0] = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        out = yield
        rep = out.get_result()
        ph = self.phase
        if rep.failed and ph.get("outcome") != "failed":
            ph["outcome"] = "failed"
            ph["error"] = error_line(call) or first_line(rep.longreprtext)
        elif rep.skipped and ph.get("outcome") is None:
            ph["outcome"] = "xfailed" if hasattr(rep, "wasxfail") else "skipped"
            ph["error"] = error_line(call)
        elif rep.passed and rep.when == "call" and ph.get("outcome") is None:
            ph["outcome"] = "passed"

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid, location):
        ph = self.phase
        self.write(
            ev="end",
            id=self.sid(nodeid),
            outcome=ph["outcome"] or "failed",
            error=ph["error"],
            t=round(time.time() - ph["t"], 3),
        )

    def pytest_sessionfinish(self, session, exitstatus):
        self.write(ev="finish", status=int(exitstatus))


def pytest_configure(config):
    config.pluginmanager.register(Recorder(), "conformance-recorder")
    config.addinivalue_line("markers", "requires_trainable_backend: upstream")
    config.addinivalue_line("markers", "multi_device: upstream")
