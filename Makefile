# make demo   install what recorded footage needs (no torch) and analyse the demo recording
# make test   install the rest (torch, training, tools); run ruff, mypy and every test
# make lint   ruff and mypy only
# make bench  decoding alone, the plain loop and Vedette, in one run
# make docs   write docs/cli.md and docs/api.md from the code
#
# Everything is installed into .venv, in the versions of constraints.txt, from the index that your pip uses.
# Choose another interpreter with `make demo PYTHON=python3.12`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench docs clean

PYTHON ?= $(shell scripts/find-python.sh)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --prefer-binary -c constraints.txt
RUNTIME := $(VENV)/.installed-runtime
EVERYTHING := $(VENV)/.installed-everything

# Newer pip takes the pins of the build back end from here; older pip ignores it.
export PIP_BUILD_CONSTRAINT := constraints.txt

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,8p'

demo: $(RUNTIME)
	@$(BIN)/vedette analyze data/demo/demo.mp4

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(EVERYTHING)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(EVERYTHING)
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

docs: $(RUNTIME)
	$(BIN)/python scripts/write_docs.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One environment that grows: `make test` adds to what `make demo` made, and neither installs twice.
$(VENV)/.made:
	@scripts/system-packages.sh "$(PYTHON)"
	@echo "making $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing the run-time set into $(VENV) (about a minute)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(EVERYTHING): $(RUNTIME)
	@echo "installing torch, training and development tools into $(VENV) (a few minutes)"
	@$(PIP_INSTALL) --editable '.[train,dev]'
	@touch $@
