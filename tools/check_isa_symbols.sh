#!/usr/bin/env bash
# The objects of csrc/cpu/isa are compiled with instructions that the running CPU may lack. If one of them exported a
# weak symbol from outside its namespace (an inline std function, say), the linker could keep that copy for everybody.
# Usage: check_isa_symbols.sh [BUILD_DIR], after a build.
set -euo pipefail
build=${1:-build/pip}
objects=$(find "$build" -path '*tahr_isa_*' -name '*.o')
[ -n "$objects" ] || { echo "no ISA objects under $build: build first"; exit 1; }
bad=0
for o in $objects; do
  isa=$(echo "$o" | sed -E 's/.*tahr_isa_([a-z0-9]+)\.dir.*/\1/')
  if symbols=$(nm -C --defined-only "$o" | awk '$2 ~ /^[WVu]$/' | grep -v "tahr::$isa::"); then
    echo "$o exports weak symbols outside tahr::$isa:"; echo "$symbols"; bad=1
  fi
done
[ $bad = 0 ] && echo "ISA symbols: $(echo "$objects" | wc -l) objects, none leaks"
exit $bad
