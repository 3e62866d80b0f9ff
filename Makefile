# Everything a newcomer needs: `make demo`, `make up`, `make test`. Works with GNU make 3.81 (macOS) and later.

.DEFAULT_GOAL := help
.PHONY: help install wheel demo up env down psql backup restore doctor test test-clock test-compose test-qlib soak bench docs docs-serve comments lint format lock clean

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
QLIB_VENV := .venv-qlib
QLIB_READY := $(QLIB_VENV)/.ready
STATE := $(or $(ASHARE_STATE_DIR),.airflow)
UNFINISHED := $(VENV)/.unfinished

.NOTPARALLEL:
# An activated other environment is not for us; without compiled files every process would compile its modules anew.
unexport VIRTUAL_ENV PYTHONHOME PYTHONDONTWRITEBYTECODE
export PYTHONPATH := $(CURDIR)/include:$(CURDIR)/plugins

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

install: $(RUN_READY)  ## Make .venv with the pinned requirements (PYTHON=... chooses an interpreter)

demo: $(RUN_READY)  ## Two weeks of a generated market through a real Airflow, from nothing (DEMO_START, DEMO_END)
	@$(BIN)/python -m ashare_local.demo

up: $(RUN_READY)  ## Airflow on http://localhost:8080 with the real Baostock (PORT=8081; DEMO=1: the emulator)
	@$(BIN)/python -m ashare_local.up

wheel: $(RUN_READY)  ## The package as dist/ashare_sync-X-py3-none-any.whl
	@$(BIN)/uv build --quiet --wheel --out-dir dist .
	@ls dist/ashare_sync-*.whl

env:  ## For the containers: passwords and keys into .env, what is there stays (CELERY=1: with workers)
	@CELERY="$(CELERY)" sh deploy/env.sh

down:  ## Stop what `make up` and `make demo` run or have left behind (DEMO=1: the demo alone)
	@if [ -e $(RUN_READY) ]; then $(BIN)/python -m ashare_local.down; else echo "Nothing was running."; fi

psql: $(RUN_READY)  ## psql on the ashare database (DEMO=1: the demo's; ARGS='-c "select 1"')
	@$(BIN)/python -m ashare_local.psql $(ARGS)

backup: $(RUN_READY)  ## The schema ashare as one file in backups/ (FILE=path; DEMO=1; COMPOSE=1: of the containers)
	@$(BIN)/python -m ashare_local.backup

restore: $(RUN_READY)  ## A backup into the database, all or nothing (FILE=path; OVERWRITE=1: in place of what is there)
	@$(BIN)/python -m ashare_local.restore

doctor: $(RUN_READY)  ## Whether source, database, pool, calendar, budget, ban and the last dates are well (DEMO=1)
	@$(BIN)/python -m ashare_local.stack_doctor

test: $(DEV_READY)  ## Install the tools and run all tests (PYTEST_ARGS="-k name")
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder $(PYTEST_ARGS)

test-clock: $(DEV_READY)  ## The quick tests at another Beijing time (AT='2027-01-04 18:30'; PYTEST_ARGS; needs faketime)
	@$(BIN)/python -m tests.clock "$(AT)" $(PYTEST_ARGS)

test-compose: $(DEV_READY)  ## docker-compose.yaml by a real Docker engine, in a stack of its own that is then removed
	@ASHARE_TEST_COMPOSE=1 $(BIN)/python -m pytest -q -x tests/containers/test_engine.py

test-qlib: $(DEV_READY) $(QLIB_READY)  ## Qlib's LightGBM workflow on an export of a generated market (Qlib in .venv-qlib)
	@ASHARE_TEST_QLIB=1 $(BIN)/python -m pytest -q -n 0 tests/qlib

soak: $(DEV_READY)  ## Backfills under random faults and kills, then an exact comparison (MINUTES=30, SEED)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

bench: $(DEV_READY)  ## All figures of docs/performance.md, beside the last ones (24 minutes, 12 GB of TMPDIR; PARTS=loading)
	@$(BIN)/python -m bench $(PARTS)

docs: $(DEV_READY)  ## The documentation as a site in .site/, in English and Chinese
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -W ignore -m mkdocs build --strict --quiet && echo ".site/index.html"

docs-serve: $(DEV_READY)  ## The same on http://127.0.0.1:8000, with search; a changed page is built anew
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -W ignore -m mkdocs serve --strict

comments: $(DEV_READY)  ## docs/data.md, its Chinese page and deploy/dbt/sources.yml, from the comments of the schema
	@$(BIN)/python -m docs.tools.data_page
	@$(BIN)/python -m tests.dbt_sources

lint: $(DEV_READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy include plugins dags tests bench docs/tools

format: $(DEV_READY)  ## Let ruff format and mend the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEV_READY)  ## Renew constraints.txt from the requirements
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url \
		requirements-dev.txt -o constraints.txt
	$(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-emit-index-url \
		tests/qlib/requirements.txt -o tests/qlib/constraints.txt

clean:  ## Stop everything, delete .venv and the caches (DATABASE=.airflow: all databases, too; DATABASE=.airflow/demo: the demo's)
	@case "$(DATABASE)" in "" | "$(STATE)" | "$(STATE)/demo") ;; *) \
		echo "DATABASE is '$(DATABASE)': it must be $(STATE), or $(STATE)/demo for the demo's." >&2; exit 1;; esac
	@if [ -n "$(DATABASE)" ] && [ -e "$(DATABASE)" ] && \
		! ls "$(DATABASE)/secrets.json" "$(DATABASE)/demo/secrets.json" 2>/dev/null | grep -q .; then \
		echo "$(DATABASE) is none that \`make up\` or \`make demo\` has made: delete it yourself." >&2; exit 1; fi
	@$(MAKE) --no-print-directory down DEMO=
	rm -rf $(VENV) $(QLIB_VENV) dist .site .test .pytest_cache .mypy_cache .ruff_cache .hypothesis $(if $(DATABASE),"$(DATABASE)")
	find dags include plugins tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -e "$(STATE)" ]; then \
		echo "Kept: the databases in $(STATE). \`make clean DATABASE=$(STATE)\` deletes them, with all bars."; fi

# The stamps are written last, and an installation that was interrupted is begun anew.
$(RUN_READY): requirements.txt constraints.txt
	@$(MAKE_VENV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt -c constraints.txt
	@$(COMPILE)
	@rm $(UNFINISHED) && touch $@

$(DEV_READY): requirements-dev.txt requirements.txt constraints.txt
	@$(MAKE_VENV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt -c constraints.txt
	@$(COMPILE)
	@rm $(UNFINISHED) && touch $@ $(RUN_READY)

$(QLIB_READY): tests/qlib/requirements.txt tests/qlib/constraints.txt | $(DEV_READY)
	@echo "Installing Qlib into $(QLIB_VENV) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(QLIB_VENV)
	@$(BIN)/uv pip install --quiet --python $(QLIB_VENV)/bin/python -r tests/qlib/requirements.txt -c tests/qlib/constraints.txt
	@touch $@

# Compiled once here, or each of Airflow's processes would do it at its first start, side by side.
COMPILE = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true

# Without PYTHON, the first in range of those that really start (a version manager's shims may not).
CHECK := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
define MAKE_VENV
set -e; \
if [ -e $(UNFINISHED) ] || ! $(BIN)/uv --version 2>/dev/null | grep -q "^uv $(UV_VERSION)" \
		|| ! $(BIN)/python -c '$(CHECK)' 2>/dev/null; then \
	found=; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python3.10); do \
		if "$$python" -c '$(CHECK)' >/dev/null 2>&1; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.10 to 3.13 (with its venv module) was found as" \
			"$(if $(PYTHON),$(PYTHON),python3 or python3.10 to python3.13): install one, or say where it is with" \
			"make PYTHON=/path/to/python3." >&2; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$found" --version) ..."; \
	"$$found" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
fi; \
touch $(UNFINISHED)
endef
