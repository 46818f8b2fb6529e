#!/usr/bin/env bash
# The library of kernels that nvcc made (make cuda), on a machine without a GPU: it exports one function, needs no library of
# NVIDIA's to be opened, says that there is no driver or device, and leaves tahr on the CPU.
#
# usage: tools/check_cuda_library.sh LIBRARY PYTHON
set -euo pipefail
library=$(realpath "$1")
python=$2

exported=$(nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^_\(init\|fini\)$' || true)
[ "$exported" = tahr_open_device_library ] || { echo "$library exports: $exported"; exit 1; }
needed=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
if grep -E '^lib(cuda|cudart|cublas|cudnn|nvrtc|nccl)' <<<"$needed"; then
  echo "$library is linked to these, which are to be opened by name"
  exit 1
fi
[ -e /dev/nvidia0 ] && exit 0
said=$(TAHR_CUDA_LIBRARY=$library "$python" -c 'import tahr
print(tahr.ops.ones((2,)).device, tahr._C.why_no_gpu())')
case $said in
  "/cpu:0 no NVIDIA driver was found"* | "/cpu:0 the driver knows of no GPU"* | "/cpu:0 the NVIDIA driver is too old"*) ;;
  *) echo "without a GPU, tahr said: $said"; exit 1 ;;
esac
