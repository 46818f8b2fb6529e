#!/usr/bin/env bash
# Everything that needs a GPU, in one run, without network: builds, tests, looks for bad memory accesses, measures.
#
#   bench/gpu.sh [--out DIR] [--python PYTHON] [--wheels DIR] [--seconds N] [--parts build,tests,sanitizer,bench]
#   bench/gpu.sh --emulated       # the same with the emulated GPU and tiny sizes: does the script work?
#
# Needs a GPU with its driver, nvcc, a C++20 compiler, and a Python with numpy, pybind11, cmake, ninja, pytest (and
# ml_dtypes); what that Python lacks may lie as wheels in the folder given by --wheels. PyTorch and JAX are measured
# beside where that Python has them. Nothing is downloaded.
#
# Each part has a limit of its own, and a part that fails or runs out of time does not stop the others. In DIR
# (build/gpu-report): report.md and logs.tar.gz, written anew after every part, so that a run that is cut off leaves them;
# results.jsonl, a figure a line, as they come.
set -uo pipefail
cd "$(dirname "$0")/.."

out=build/gpu-report python=python3 wheels= seconds=540 parts=build,tests,sanitizer,bench emulated=
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift ;;
    --python) python=$2; shift ;;
    --wheels) wheels=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --parts) parts=$2; shift ;;
    --emulated) emulated=1 ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done
case $out in /*) ;; *) out=$PWD/$out ;; esac
logs=$out/logs
rm -rf "$logs"
mkdir -p "$logs"
rm -f "$out"/{report.md,results.jsonl,logs.tar.gz}
begin=$SECONDS
# What is known so far, in DIR: after every part, so that nothing is lost where the machine takes the time away.
report() {
  "$python" bench/python/gpu.py --report "$out/results.jsonl" --logs "$logs" >"$out/report.new" 2>"$logs/report.log" &&
    mv "$out/report.new" "$out/report.md" && tar -C "$logs" -czf "$out/logs.tar.gz" .
}
running=
stop() {
  trap - TERM INT
  [ -n "$running" ] && kill -- "$running" 2>/dev/null
  printf 'the run\t-\t%s\tstopped from outside\n' $((SECONDS - begin)) >>"$logs/parts.tsv"
  report
  exit 143
}
trap stop TERM INT
left() { echo $((seconds - (SECONDS - begin))); }
wants() { [[ ,$parts, == *,$1,* ]]; }

# part NAME LIMIT COMMAND...: runs it, with the log in $logs/NAME.log and a line in $logs/parts.tsv.
part() {
  local name=$1 limit=$2 from=$SECONDS rc
  shift 2
  [ "$limit" -gt "$(left)" ] && limit=$(left)
  if [ "$limit" -le 5 ]; then
    printf '%s\t-\t0\tno time was left\n' "$name" >>"$logs/parts.tsv"
    return 1
  fi
  echo "== $name (at most $limit s)"
  timeout --kill-after=5 "$limit" "$@" >"$logs/$name.log" 2>&1 &
  running=$!
  wait "$running"
  rc=$?
  running=
  local how=ok
  [ $rc -ne 0 ] && how="failed ($rc)"
  { [ $rc -eq 124 ] || [ $rc -eq 137 ]; } && how="out of time"
  printf '%s\t%s\t%s\t%s\n' "$name" "$rc" $((SECONDS - from)) "$how" >>"$logs/parts.tsv"
  echo "   $how, $((SECONDS - from)) s"
  [ $rc -ne 0 ] && tail -n 15 "$logs/$name.log" | cut -c1-300 | sed 's/^/   | /'
  [ "$name" != configure ] && report
  return $rc
}

# ---- what is here ----

if [ -n "$wheels" ]; then
  site=$PWD/build/gpu-site
  "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$site" "$wheels"/*.whl >"$logs/wheels.log" 2>&1 ||
    echo "the wheels could not be installed: $(tail -n 1 "$logs/wheels.log")"
  export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
  export PATH="$site/bin:$PATH"
fi
export PATH="$PATH:/usr/local/cuda/bin:$(dirname "$(command -v "$python")")"
lacks=
for module in numpy pybind11 pytest ml_dtypes; do
  "$python" -c "import $module" 2>/dev/null || lacks+=" python:$module"
done
for tool in cmake ninja c++; do command -v $tool >/dev/null || lacks+=" $tool"; done
if [ -z "$emulated" ]; then
  command -v nvcc >/dev/null || lacks+=" nvcc"
  nvidia-smi >/dev/null 2>&1 || lacks+=" nvidia-smi"
fi
[ -n "$lacks" ] && echo "not found:$lacks" | tee "$logs/lacks"
{
  date -u
  uname -srm
  nproc
  "$python" --version
  nvcc --version 2>/dev/null | tail -n 2
  nvidia-smi 2>/dev/null
  "$python" -m pip list 2>/dev/null | grep -iE '^(numpy|torch|jax|jaxlib|triton|nvidia|ml.dtypes|pytest)'
} >"$logs/machine.log" 2>&1

# ---- build ----

build=$PWD/build/gpu
if [ -n "$emulated" ]; then
  device=(-DTAHR_CUDA=OFF -DTAHR_CUDA_EMULATED=ON)
else
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
  device=(-DTAHR_CUDA=ON -DTAHR_CUDA_EMULATED=OFF "-DTAHR_CUDA_ARCHITECTURES=${capability:-90}")
fi
if wants build; then
  part configure 60 cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir 2>/dev/null)" "${device[@]}" &&
    part build 300 ninja -C "$build" -k 0
  # The extension is enough for all that the library of kernels is not needed for, and the other way round.
  cp "$build"/_C*.so "$build"/_C.pyi python/tahr/ 2>>"$logs/build.log"
fi
export PYTHONPATH="$PWD/python${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
if [ -n "$emulated" ]; then
  library=$(ls -t "$build"/_cuda_emulated.so build/*/_cuda_emulated.so 2>/dev/null | head -n 1)
else
  library=$build/_cuda.so
fi
export TAHR_CUDA_LIBRARY=${TAHR_CUDA_LIBRARY:-$library}
part found 60 "$python" -m tahr && sed 's/^/   /' "$logs/found.log"

# ---- tests, memory, speed ----

tiny=()
[ -n "$emulated" ] && tiny=(--tiny)
if wants tests; then
  limit=$(($(left) < 170 ? $(left) : 170))
  part tests "$limit" "$python" bench/python/gpu_tests.py --limit $((limit - 12)) "${tiny[@]}"
  tail -n 60 "$logs/tests.log" | cut -c1-200
fi
bench() {  # CONTESTANT LIMIT
  wants bench || return
  [ -n "$emulated" ] && [[ $1 = torch-* ]] && return
  part "bench-$1" "$2" "$python" bench/python/gpu.py --who "$1" --results "$out/results.jsonl" "${tiny[@]}"
}
sanitize() {  # TOOL
  wants sanitizer && [ -z "$emulated" ] || return
  if ! command -v compute-sanitizer >/dev/null; then
    printf 'sanitizer-%s\t-\t0\tcompute-sanitizer is not here\n' "$1" >>"$logs/parts.tsv"
    return
  fi
  part "sanitizer-$1" 60 compute-sanitizer --tool "$1" --error-exitcode 9 --target-processes all \
    "$python" -m pytest -q -o addopts= -p no:cacheprovider tests/python/test_gpu_replay.py tests/python/test_op_table.py \
    --device gpu -k "test_gpu_replay or (test_values and (softmax or cumsum or sort or add or matmul or max_pool))"
  grep -E "=========.*(Invalid|ERROR SUMMARY|hazard|at .*\()" "$logs/sanitizer-$1.log" | sort | uniq -c | sort -rn | head -n 12
}
# What matters most comes first: should time run out, it is the last figures that are missing.
bench tahr 120
bench torch 60
sanitize memcheck
bench torch-graphs 60
bench jax 60
sanitize racecheck
bench torch-compiled 60

# ---- one report ----

report || { echo "the report could not be written:"; tail -n 5 "$logs/report.log"; }
cat "$out/report.md"
echo "$((SECONDS - begin)) s; report and logs are in $out"
