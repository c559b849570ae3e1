# `make` alone says what there is to do.
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PYTHON_BIN := $(VENV)/bin
export VENV

.PHONY: help
help: ## this list
	@echo "ccbs: call back on busy. Usage: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Each target installs what it needs first: Debian packages where root, else it says which."

.PHONY: demo
demo: ## the four procedures between real SIP phones, live; about two minutes; report in demo-report/
	@scripts/setup.sh test
	@$(PYTHON_BIN)/python -m demo

.PHONY: test
test: ## every check and test; under twenty minutes from nothing
	@scripts/setup.sh test
	@scripts/test.sh

.PHONY: test-long
test-long: ## the proofs at length, changed tables and functions, the prompts remade; hours, see docs/testing.md
	@scripts/setup.sh test prompts
	@scripts/test.sh --long

.PHONY: bench
bench: ## every figure of docs/performance.md, beside its peers and targets; about twenty minutes
	@scripts/setup.sh test bench
	@$(PYTHON_BIN)/python -m benches

.PHONY: bench-baseline
bench-baseline: ## write the instruction counts anew that test holds the code to
	@scripts/setup.sh test
	@$(PYTHON_BIN)/python -m benches.counts --write

.PHONY: lint
lint: ## the checks of test without the tests
	@scripts/setup.sh
	@scripts/test.sh rustfmt clippy ruff mypy stubs generated

.PHONY: format
format: ## put Rust and Python sources into the one form
	@scripts/setup.sh
	@cargo fmt --all
	@$(PYTHON_BIN)/ruff check --fix --quiet .
	@$(PYTHON_BIN)/ruff format .

.PHONY: generate
generate: ## rewrite the files made from others: licences, configuration schema, diagram of an order's life
	@scripts/setup.sh
	@scripts/generate.sh

.PHONY: prompts
prompts: ## make the recordings again from python/ccbs/prompts/catalogue.yml
	@scripts/setup.sh prompts
	@$(PYTHON_BIN)/python scripts/make_prompts.py

.PHONY: package
package: ## the wheel, into dist/
	@scripts/setup.sh
	@scripts/package.sh

.PHONY: clean
clean: ## remove everything built; keeps the downloads of cargo and pip
	rm -rf $(VENV) target benches/engine/target dist demo-report .cache .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis python/ccbs/_ccbs*.so
