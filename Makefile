# The lab: make run. The tests: make test. See README.md and CONTRIBUTING.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
PORT ?= 8000
LAB_HOME ?= .lab
ROWS ?=
# Processes the tests are shared out to; each has a PostgreSQL and a Redis of its own.
TEST_PROCESSES ?= 2
export PORT LAB_HOME

VENV := .venv
PY := $(VENV)/bin/python
BASE := requirements/base.txt
DEV := requirements/dev.txt

.PHONY: help setup setup-dev setup-bench run test check bench soak backup restore format lock
.PHONY: audit-packages nightly

help:
	@echo "make run       the whole lab on http://localhost:$(PORT), its data in $(LAB_HOME)"
	@echo "make test      every test this machine can run"
	@echo "make check     lint, types, architecture"
	@echo "make bench     speed, JSON lines (ROWS=a,b for some)"
	@echo "make soak      long fault runs, JSON lines"
	@echo "make nightly   against a real MLflow server from PyPI, JSON lines; needs the Internet"
	@echo "make backup    dump the database to $(LAB_HOME)/backups"
	@echo "make restore   bring a dump back: make restore FILE=…"
	@echo "make audit-packages   the locked packages against published weaknesses; needs the Internet"
	@echo "make setup     the virtual environment only"

setup:
	@$(PYTHON) tools/setup.py

setup-dev:
	@$(PYTHON) tools/setup.py --dev

setup-bench:
	@$(PYTHON) tools/setup.py --bench

run: setup
	@exec $(PY) manage.py lab --follow-parent

backup: setup
	@exec $(PY) manage.py backup

restore: setup
	@test -n "$(FILE)" || { echo "Name the dump: make restore FILE=$(LAB_HOME)/backups/…" >&2; exit 2; }
	@exec $(PY) manage.py restore "$(FILE)"

# Everything, then the store tests once more on TimescaleDB.
test: setup-dev
	@exec $(PY) tools/run_tests.py --processes $(TEST_PROCESSES)

check: setup-dev
	@exec $(PY) tools/run_checks.py

bench: setup-bench
	@exec $(PY) -m tests.speed $(if $(ROWS),--rows $(ROWS))

soak: setup-dev
	@exec $(PY) -m tests.speed.soak

# MLflow is installed into a virtual environment of its own, in a temporary folder.
nightly: setup-dev
	@exec $(PY) -m tests.speed.mlflow_real

format: setup-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Asks the Python Packaging Advisory Database about what is locked; fails on any finding.
audit-packages:
	uvx pip-audit --require-hashes --disable-pip -r $(BASE)
	uvx pip-audit --require-hashes --disable-pip -r $(DEV)

# After a change of requirements/*.in
lock:
	uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --no-header requirements/base.in -o $(BASE)
	uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --no-header requirements/dev.in -o $(DEV)
	uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --no-header requirements/bench.in -o requirements/bench.txt
