# The verbs of this project. Each prepares what it needs; Python 3.11 to 3.13 is all that must be there.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check chaos hostile bench format published lock clean help

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## A synthetic year of a city, from events to counters to SQL; ONCE=1 stops when it is through
	$(BIN)/hoso demo $(if $(ONCE),--once)

test: $(READY)  ## Every test but the long kill rounds
	$(BIN)/pytest

check: $(READY)  ## Format, lint, types, direction of imports, published files, container files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m services.publish --check
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/images/Dockerfile

chaos: $(READY)  ## The long kill rounds; SEED=n repeats one
	$(BIN)/pytest -m chaos tests/chaos $(if $(SEED),--seed $(SEED))

hostile: $(READY)  ## Hostile histories, 100,000 of them, read four ways; SEED=n repeats a run, N=count
	$(BIN)/python -m tests.hostile $(or $(SEED),0) $(or $(N),100000)

bench: $(READY)  ## Ratios to peers, written to docs/performance.md; NAMES="a b" measures these alone
	$(BIN)/python -m benchmarks $(NAMES)

format: $(READY)  ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

published: $(READY)  ## Write the published schemas anew
	$(BIN)/python -m services.publish

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --no-header --quiet

lock: $(READY)  ## Resolve the dependencies anew
	$(LOCK) --extra local --group dev --group lock --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file deploy/images/requirements.lock

clean:  ## Delete data, environment and caches
	rm -rf var .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
		"Hoso needs Python 3.11 to 3.13, found %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	@echo "installing (about 430 MB the first time, a minute or two)"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
