# The two commands a newcomer needs: `make demo` and `make test`.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
CHECKED := api experiments stats tests examples benchmarks wsgi.py gunicorn.conf.py

.DEFAULT_GOAL := help
.PHONY: help demo test check faults format clean

help:
	@echo 'make demo    a service with three sample experiments on http://127.0.0.1:8000'
	@echo 'make test    everything that is checked: lint, types, import rules, tests'
	@echo 'make check   lint, types and import rules only'
	@echo 'make faults  break the service for minutes in every way it is tested for; print a table'
	@echo 'make format  format the code'
	@echo 'make clean   remove the environment and the caches (data/ stays)'

demo: $(VENV)/runtime
	@$(BIN)/evenhand demo $(DEMO_OPTIONS)

test: check
	@scripts/system-packages.sh chromium
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(TEST_OPTIONS)

faults: $(VENV)/dev
	EVENHAND_FAULTS=long $(BIN)/python -m pytest tests/faults $(TEST_OPTIONS)

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo 'Evenhand needs Python 3.11 or newer; install it, or name one with make PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo 'python3-venv is missing, or this folder cannot be written to' >&2; rm -rf $(VENV); exit 1; }

$(VENV)/runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what the service needs …'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	@echo 'Installing what the tests need …'
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
