"""Run upstream test files in child pytest processes, surviving crashes and hangs."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run_files(
    keras_src,
    files,
    plugin,
    env=None,
    select=None,
    sample="",
    timeout=60,
    max_restarts=100,
    python=None,
    log=None,
    extra_args=(),
):
    """Run `files` (relative to keras_src); return (results, collected, errors).

    results: {test id: {"outcome", "error", "t"}}; a test in which the process
    died has outcome "crashed".  collected: {path: number of tests}.
    errors: {path: why the file could not be collected}.
    """
    results, collected, errors = {}, {}, {}
    with tempfile.TemporaryDirectory(prefix="conf_") as tmp:
        out = os.path.join(tmp, "out.jsonl")
        skip = os.path.join(tmp, "skip.txt")
        child_env = dict(os.environ)
        child_env.update(env or {})
        child_env.update(
            CONF_KERAS_SRC=keras_src,
            CONF_OUT=out,
            CONF_SKIP=skip,
            CONF_SAMPLE=sample,
            PYTHONPATH=os.pathsep.join([HERE] + [p for p in [child_env.get("PYTHONPATH")] if p]),
            PYTHONDONTWRITEBYTECODE="1",
        )
        if select is not None:
            sel = os.path.join(tmp, "select.txt")
            with open(sel, "w") as f:
                f.writelines(s + "\n" for s in sorted(select))
            child_env["CONF_SELECT"] = sel
        cmd = [
            python or sys.executable,
            "-m",
            "pytest",
            "-c",
            os.path.join(HERE, "pytest.ini"),
            "--rootdir",
            keras_src,
            "-p",
            plugin,
            "-q",
            "--no-header",
            "--tb=no",
            f"--timeout={timeout}",
            "--continue-on-collection-errors",
            *extra_args,
            *files,
        ]
        for _ in range(max_restarts):
            open(out, "w").close()
            with open(skip, "w") as f:
                f.writelines(s + "\n" for s in results)
            sink = log or subprocess.DEVNULL
            proc = subprocess.Popen(cmd, cwd=keras_src, env=child_env, stdout=sink, stderr=sink)
            proc.wait()
            running, finished, progress = None, False, False
            with open(out) as f:
                for ln in f:
                    try:
                        r = json.loads(ln)
                    except ValueError:
                        continue
                    ev = r["ev"]
                    if ev == "collected":
                        collected[r["path"]] = r["n"]
                    elif ev == "collect_error":
                        errors[r["path"]] = r["error"]
                    elif ev == "start":
                        running = r["id"]
                    elif ev == "end":
                        running, progress = None, True
                        results[r["id"]] = {k: r[k] for k in ("outcome", "error", "t")}
                    elif ev == "finish":
                        finished = True
            if finished:
                break
            if running is not None:
                results[running] = {
                    "outcome": "crashed",
                    "error": f"process died with status {proc.returncode}",
                    "t": 0,
                }
            elif not progress:
                for p in files:
                    if p not in collected:
                        errors.setdefault(p, f"process died with status {proc.returncode}")
                break
        else:
            for p in files:
                errors.setdefault(p, f"not reached: {max_restarts} crashes before it")
    return results, collected, errors
