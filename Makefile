# Two commands for a newcomer: `make export` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARCHS ?=
MODEL ?= t
PRECISION ?= fp16
PYTEST_ARGS ?=
GPU_CHECK_ARGS ?=
STRESS_ARGS ?=
FUZZ_RUNS ?= 100000
# Modules are compiled when they are imported first: most of what is installed never is. Where Python
# were told to keep none of it, each process would compile thousands of them again.
unexport PYTHONDONTWRITEBYTECODE
# On a terminal pip shows what it fetches, with bars; a log has a line for each stage.
PIP := $(BIN)/python -m pip --disable-pip-version-check $(shell test -t 2 || echo --quiet)

.DEFAULT_GOAL := help
.PHONY: help setup compiler export test check lint format types layers native docs gpu-check kernel-budget accuracy fuzz stress lock audit clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.runtime ## make .venv with the pinned requirements

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 4; }
	@$(PYTHON) -m venv $(VENV) || { echo "venv failed: apt-get install python3-venv"; exit 4; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.txt requirements-torch.txt pyproject.toml
	@echo "set-up, 1 of 3: the pinned packages of requirements.txt into $(VENV) (one or two minutes in all)"
	@$(PIP) install --no-compile --require-hashes -r requirements.txt
	@echo "set-up, 2 of 3: PyTorch, of requirements-torch.txt"
	@$(PIP) install --no-compile -r requirements-torch.txt
	@echo "set-up, 3 of 3: this package"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "set-up, for tests: the pinned packages of requirements-dev.txt"
	@$(PIP) install --no-compile --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

# Asked before minutes of installing; the package itself looks closer.
compiler:
	@for name in "$$CXX" g++ c++ clang++; do command -v "$$name" >/dev/null && exit 0; done; \
	  test -n "$$VMAMBA_NATIVE_DIR" || { echo "error: no C++ compiler found" >&2; \
	  echo "hint: apt-get install build-essential, or name a C++17 compiler in CXX" >&2; exit 4; }

export: compiler $(VENV)/.runtime ## the main job: ONNX, engine, plugin and parity report of VMamba-T in fp16
	$(BIN)/python export.py --model $(MODEL) --$(PRECISION)

native: compiler $(VENV)/.runtime ## build the native libraries ahead; ARCHS=all for every GPU architecture
	$(BIN)/python -m vmamba_deploy.native $(if $(ARCHS),--archs $(ARCHS))

# Without .venv: a machine with a GPU has a PyTorch of its own, and maybe no network.
gpu-check: ## prove and measure on a GPU; needs PyTorch (PYTHON=...), pytest, click and nvcc
	$(PYTHON) -m benchmarks.gpu_check $(GPU_CHECK_ARGS)

kernel-budget: $(VENV)/.dev ## compare what the CUDA kernels cost on six architectures with their budget; needs nvcc
	$(BIN)/python -m benchmarks.kernel_budget

accuracy: compiler $(VENV)/.dev ## accuracy of the trained samples in every precision and runtime; fetches Fashion-MNIST
	$(BIN)/python -m benchmarks digits-accuracy
	$(BIN)/python -m benchmarks fashion-accuracy

docs: $(VENV)/.dev ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: $(VENV)/.dev check ## the checks, then the test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

fuzz: $(VENV)/.dev ## 100,000 inputs for each reader, the C interface and the plugin; FUZZ_RUNS=... for more
	FUZZ_RUNS=$(FUZZ_RUNS) $(BIN)/python -m pytest -n 2 tests/fuzz

stress: $(VENV)/.dev ## 200 exports killed at random moments, 25 rounds of 8 that meet; STRESS_ARGS="--kills 20"
	$(BIN)/python -m tests.stress $(STRESS_ARGS)

# After a version in one of the files was changed by hand.
lock: $(VENV)/.python ## write the sha256 of every pinned package's files into requirements*.txt
	@$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip --quiet install uv
	@for file in requirements.txt requirements-dev.txt; do build/lock/bin/uv pip compile --quiet $$file --output-file $$file \
	  --universal --no-deps --no-strip-extras --generate-hashes --no-annotate --no-emit-index-url \
	  --python-version 3.11.5 --custom-compile-command "make lock"; done

audit: $(VENV)/.dev ## licences of what is installed, and known advisories where a source of them is reachable
	@$(PYTHON) -m venv build/audit && build/audit/bin/python -m pip --quiet install pip-audit
	$(BIN)/python -m tests.audit build/audit/bin/pip-audit

check: $(VENV)/.dev lint types layers ## lint, types and the direction of imports

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	git ls-files 'plugins/*.h' 'plugins/*.hpp' 'plugins/*.cpp' 'plugins/*.cu' 'plugins/*.cuh' \
	  'samples/*.cpp' 'samples/*.hpp' 'tests/*.cpp' 'vmamba_deploy/*.cpp' | xargs $(BIN)/clang-format --dry-run --Werror

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files 'plugins/*.h' 'plugins/*.hpp' 'plugins/*.cpp' 'plugins/*.cu' 'plugins/*.cuh' \
	  'samples/*.cpp' 'samples/*.hpp' 'tests/*.cpp' 'vmamba_deploy/*.cpp' | xargs $(BIN)/clang-format -i

clean: ## remove what was built, but not .venv
	rm -rf build artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
