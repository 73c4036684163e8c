# Two commands are enough: `make demo`, `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUN := PYTHONUTF8=1 $(BIN)

.DEFAULT_GOAL := help
.PHONY: help setup demo dev browser test test-fast test-long check checks bench format next-dagster

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## install into .venv, nothing else

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rowline needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }
	@echo "Installing (a minute or two, once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: setup ## upload the samples, process them through Dagster, search and trace
	@$(RUN)/python -m samples.demo

dev: setup ## start database, gateway, Dagster UI and daemon; Ctrl-C stops all of it
	@$(RUN)/rowline dev

browser: ## the browser of the page tests, once
	@.ci/browser

test: browser setup ## all tests but the longest grids, on a real PostgreSQL
	$(RUN)/python -m pytest -n 2 -m "not long"

test-long: browser setup ## every test, every cell of every grid, 500 random sequences
	$(RUN)/python -m pytest -n 2
	$(RUN)/python -m tests.life --sequences 500

test-fast: setup ## the tests that take under two minutes together
	$(RUN)/python -m pytest -n 2 -m "not slow and not long"

check: setup ## format, lint, types, layers, Dagster's check of the definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(RUN)/dg check defs

checks: setup ## materialize the samples; fail if an asset check of severity ERROR fails
	$(RUN)/python -m samples.checks

bench: setup ## measure the figures of benchmarks/README.md
	$(RUN)/python -m benchmarks.documents

next-dagster: setup ## try the newest Dagster in a copy of the project; .ci/next-dagster --ahead tries its newest core
	@$(BIN)/python .ci/next-dagster

format: setup ## format the code, and correct what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
