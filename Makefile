# Two commands on a fresh machine: `make demo` (the main job on built-in data) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell nproc)
# The index to take PyTorch from, such as that of its CPU builds; pip's usual one when empty.
TORCH_INDEX ?=

.PHONY: demo test cases lint setup clean
# Made-up pictures, folders and tables, and damaged runs, that `make cases` tries of each kind.
CASES ?= 2500
DAMAGED ?= 300

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/python examples/demo.py

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

cases: setup
	$(BIN)/python benchmarks/cases.py --cases $(CASES) --damaged $(DAMAGED)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
