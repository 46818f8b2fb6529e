# Everything a newcomer needs; each target sets up what it uses. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= OFF
EXTRAS ?= test,plot,sklearn
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
BUILD_DIR := build/pip
CONFIG := -C build-dir=$(BUILD_DIR) -C cmake.define.TAHR_TESTS=ON -C cmake.define.TAHR_CUDA_EMULATED=ON -C cmake.define.TAHR_RUNTIME=ON -C cmake.define.TAHR_WERROR=$(WERROR)
# Real data sets beside the checkout are used where there are any.
export TAHR_DATA_DIR ?= $(wildcard $(abspath ../shared/data))
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)

MINUTES ?= 10

.PHONY: help demo test cuda fuzz lint format docs bench conformance conformance-check wheel clean compiler

help:
	@echo "make demo    set up, build, train a small network, write a picture of what it learned"
	@echo "make test    set up, build, run all C++ and Python tests"
	@echo "make lint    clang-format, ruff and mypy     make format  apply the formatters"
	@echo "make conformance  Keras's own tests against tahr.keras: all, and the report docs/conformance.md"
	@echo "make cuda    the kernels for NVIDIA GPUs, by nvcc (CUDA_ARCHITECTURES='80;90')"
	@echo "make fuzz    loads damaged model files for MINUTES=10 and looks for crashes, hangs and memory"
	@echo "make bench   microbenchmarks and training beside other frameworks (what is installed of them)"
	@echo "make docs    the reference of ops, docs/ops.md      make wheel   dist/tahr-*.whl"

compiler:
	@command -v $${CXX:-c++} >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 || \
	  { echo "tahr needs a C++20 compiler: install g++ 11 or newer (Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install)."; exit 1; }

$(VENV)/ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "tahr needs Python 3.10 or newer."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian, Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(PIP) install --upgrade pip
	@touch $@

demo: compiler $(VENV)/ready
	@echo "Building and installing tahr ..."
	@$(PIP) install '.[plot,sklearn]'
	@$(BIN)/python examples/demo.py

test: compiler $(VENV)/ready
	@echo "Building and installing tahr with its tests ..."
	@$(PIP) install cmake ninja
	@PATH="$(abspath $(BIN)):$$PATH" $(PIP) install $(CONFIG) '.[$(EXTRAS)]'
	$(BIN)/ctest --test-dir $(BUILD_DIR) --output-on-failure
	TAHR_BUILD_DIR=$(BUILD_DIR) $(BIN)/python -m pytest tests/python

# The kernels for GPUs, by nvcc; nothing of them runs here.
CUDA_ARCHITECTURES ?= 90
# NVIDIA's headers, to compare our declarations with: those that pip put there, if any.
export TAHR_NVIDIA_INCLUDE ?= $(subst $() ,;,$(wildcard $(abspath $(VENV))/lib/python3*/site-packages/nvidia/*/include))
cuda: compiler $(VENV)/ready
	@$(PIP) install cmake ninja
	$(BIN)/cmake -S . -B build/cuda -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DTAHR_PYTHON=OFF -DTAHR_CUDA=ON \
	  -DTAHR_CUDA_ARCHITECTURES="$(CUDA_ARCHITECTURES)" -DTAHR_WERROR=$(WERROR)
	$(BIN)/cmake --build build/cuda --target tahr_cuda

lint: $(VENV)/ready
	@$(PIP) install ruff==0.17.5 mypy==2.4.1 clang-format==23.1.5 numpy h5py
	git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h' | xargs $(BIN)/clang-format --dry-run -Werror
	$(BIN)/python tools/check_struct_names.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check python tests bench tools examples
	@[ ! -f $(BUILD_DIR)/_C.pyi ] || cp $(BUILD_DIR)/_C.pyi python/tahr/
	$(BIN)/mypy

format: $(VENV)/ready
	@$(PIP) install clang-format==23.1.5 ruff==0.17.5
	git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h' | xargs $(BIN)/clang-format -i
	$(BIN)/ruff check --fix -q .
	$(BIN)/ruff format -q python tests bench tools examples

docs: compiler $(VENV)/ready
	@$(PIP) install .
	$(BIN)/python tools/generate.py $$($(BIN)/python -c 'import tahr._C as c; print(c.__file__)') --docs docs/ops.md

bench: compiler $(VENV)/ready
	@$(PIP) install cmake ninja '.'
	$(BIN)/cmake -S . -B build/bench -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DTAHR_PYTHON=OFF -DTAHR_BENCH=ON
	$(BIN)/cmake --build build/bench
	for b in build/bench/bench/cpp/bench_*; do [ -x $$b ] && $$b; done

# Keras's own tests (tests/conformance). The check runs the fast areas and fails if a test that passed before does not;
# with INSTALLED=1 it takes tahr as it is in .venv.
CONFORMANCE := $(BIN)/python tests/conformance/conformance.py

conformance: compiler $(VENV)/ready
	@PATH="$(abspath $(BIN)):$$PATH" $(PIP) install '.[conformance]'
	$(CONFORMANCE) --write

conformance-check: compiler $(VENV)/ready
	@[ -n "$(INSTALLED)" ] || $(PIP) install '.[conformance]'
	$(CONFORMANCE) --check

fuzz: compiler $(VENV)/ready
	@$(PIP) install .
	$(BIN)/python tools/fuzz_files.py --minutes $(MINUTES)

wheel: compiler $(VENV)/ready
	@$(PIP) wheel --no-deps -w dist .

clean:
	rm -rf build dist $(VENV)
