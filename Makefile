# Everything one does with Sight on one machine. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUS ?= embedded
CASE ?=

.PHONY: help setup demo run neo4j test soak bench drill check format lock docs clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 12

setup: $(VENV)/.ready ## make the virtual environment from the locks
$(VENV)/.ready: requirements.txt pyproject.toml
	@echo "Setting up $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.ready ## run a panel and a focus group from start to finish (BUS=pubsub: through the emulator)
	@$(BIN)/python -m local.demo --bus $(BUS)

run: $(VENV)/.ready ## keep the stack up at http://localhost:8080 until Ctrl-C (BUS=pubsub: through the emulator)
	@SIGHT_BUS=$(BUS) $(BIN)/python -m local run

neo4j: $(VENV)/.ready ## run Neo4j at bolt://127.0.0.1:7687 until Ctrl-C (needs a JDK and Maven)
	@$(BIN)/python -m local.neo4j

# Of each run its own: pytest closes the one that all runs share to other users whenever one begins, and the Postgres
# of a test that root runs is one. It stays after a failure.
OWN_TMP = export PYTEST_DEBUG_TEMPROOT=$$(mktemp -d) &&
TIDY = rm -rf "$$PYTEST_DEBUG_TEMPROOT"

test: $(VENV)/.ready-dev ## run all tests
	@$(OWN_TMP) $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not soak" $(ARGS) && $(TIDY)

soak: $(VENV)/.ready-dev ## run the long forms of the fault tests
	@$(OWN_TMP) $(BIN)/python -m pytest -q -m soak $(ARGS) && $(TIDY)

bench: $(VENV)/.ready-dev ## measure speed and memory, print a table, write build/bench.json (CASE=... runs one)
	@$(BIN)/python -m local.bench $(if $(CASE),--case $(CASE))

drill: $(VENV)/.ready-dev ## break deployments on purpose, show how each ends, write build/drill.json (BUS=pubsub: through the emulator)
	@$(BIN)/python -m local.drill --bus $(BUS)

check: $(VENV)/.ready-dev ## format, lint, strict types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports

format: $(VENV)/.ready-dev ## format the code and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/.ready-dev ## resolve the requirements anew and write the locks
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.txt

docs: $(VENV)/.ready ## write the documents that are made from the code
	@$(BIN)/python -m functions.api.export docs/openapi.json
	@$(BIN)/python -m common.events.schemas docs
	@$(BIN)/python -m common.settings_page docs/settings.md

clean: ## remove what the stack keeps on this machine and what was built
	@rm -rf .sight build
