# Needs make and a Python from 3.11 on; everything else goes into .venv.

.DEFAULT_GOAL := help
.PHONY: help system install test test-bench check coverage demo bench clean

VENV  := .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.installed
ARGS  ?=
NAME  ?=

# Bytecode is kept, whatever the machine is set to: the tests start hundreds of processes, and each
# would compile everything again, for a fifth of the time it takes to start.
export PYTHONDONTWRITEBYTECODE :=

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## .venv with everything; does nothing when up to date

$(STAMP): pyproject.toml
	@set -e; found=; \
	for python in "$(PYTHON)" python3.11 python3.12 python3.13 python3 python; do \
	    if [ -n "$$python" ] && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "make install: no Python 3.11 or newer on PATH; install one, or name it: make install PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	fi; \
	echo "making $(VENV) with $$($$found --version)"; \
	"$$found" -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

system: ## what the tests need of the system, with apt: chromium, redis-server, promtool
	@.ci/system

test: install ## every test but the longest benchmarks' (ARGS="-k name" for some)
	$(PY) -m pytest -m "not packaging and not bench" -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-bench: install ## the longest benchmarks, each run small
	$(PY) -m pytest -m bench tests/bench $(ARGS)

check: install ## ruff, mypy, import law, packaging, coverage
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_architecture.py tests/test_packaging.py
	@$(PY) -m tests.covering

coverage: install ## how much is run of what matters most (ARGS=--by-file)
	@$(PY) -m tests.covering $(ARGS)

demo_flags = $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(SECONDS_),--seconds $(SECONDS_)) \
             $(if $(SEED),--seed $(SEED)) $(if $(NO_KILL),--no-kill) \
             $(if $(TRANSCRIPTS),--transcripts "$(TRANSCRIPTS)")

demo: install ## the main job, live (SESSIONS= SECONDS_= SEED= NO_KILL=1 TRANSCRIPTS=FILE)
	@$(PY) -m holodeck.entrypoints.demo $(strip $(demo_flags) $(ARGS))

bench: install ## one benchmark: make bench NAME=commands
	@test -n "$(NAME)" || { echo "make bench: say which, as in make bench NAME=commands" >&2; exit 2; }
	@$(PY) -m bench $(NAME) $(ARGS)

clean: ## removes .venv, caches and build results
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
