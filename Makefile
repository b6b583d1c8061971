# Needs Python 3.11 or newer and make; everything else goes into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c '$(FITS)' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)
# Compiled modules are kept: hundreds of short processes would each compile the package anew.
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin
STAMP := .venv/.installed
SPARK := .venv/.spark

.PHONY: bench check clean demo help notebooks test

.venv: $(STAMP) $(SPARK) ## build the environment: the package with every extra that tests need

# The stamp is written last, so that an interrupted installation is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "expected Python 3.11 to 3.13; none of python3.11, python3, python3.12, python3.13 is one." \
			"Install Python 3.11, or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 2; fi
	@echo "building .venv with $(PYTHON) (one to three minutes) ..."
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[examples,serve,dev]'
	@touch $(STAMP)

# Tests need Spark, PyTorch and more besides, which nobody who only wants the demo should wait for.
$(SPARK): $(STAMP)
	@echo "adding PySpark, PyTorch, river, Metaflow and MkDocs for the tests (two minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[spark,coldstart,drift,pipelines,docs]'
	@touch $(SPARK)

demo: $(STAMP) ## run the whole chain on real shopping logs and write report.html
	@$(BIN)/causal-ranker demo

# In the order of tests/conftest.py: by the number of a file's tests, long files would come last.
test: $(STAMP) $(SPARK) ## run every test, a file at a time on each core
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: $(STAMP) $(SPARK) ## lint, formatting, types, and the floors of the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/structure/test_floors.py

bench: $(STAMP) ## run one benchmark (make bench NAME=import_time), or all (a night)
	@set -euo pipefail; names="$(NAME)"; \
	[ -n "$$names" ] || names=$$($(BIN)/python -m benchmarks --list | cut -d' ' -f1); \
	for name in $$names; do $(BIN)/python -m benchmarks "$$name"; done

notebooks: $(STAMP) ## write the .ipynb beside each notebook's .py anew
	@$(BIN)/python notebooks/pair.py

clean: ## remove what make and the tools made, .venv included
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build runs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this list
	@awk -F ':.*## ' '/^[.a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
