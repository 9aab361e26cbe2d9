# Everything a contributor or an operator types. `make help` lists it.
# ARGS passes options on: make demo ARGS="--http-port 0", make test ARGS="-k retention -x".

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
# Test processes, one more than two cores take, since many tests wait for something; each starts its
# own PostgreSQL when a test asks for one.
WORKERS ?= 3
# The least coverage in percent, asked of whole runs only. Empty asks nothing.
COVERAGE ?= 95
at_least = $(if $(COVERAGE),$(if $(ARGS),,--cov-fail-under=$(COVERAGE)))

.PHONY: help
help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

# exec: the server takes the shell's place, so a signal to the pid in the ready file ends it.
.PHONY: demo
demo: ## a working exchange on this machine, data under .demo/
	@scripts/setup server
	@exec .venv/bin/transom-server demo $(ARGS)

.PHONY: run
run: ## the server with your settings: make run CONFIG=transom.toml
	@test -n "$(CONFIG)" || { echo "Say which settings: make run CONFIG=transom.toml" >&2; exit 2; }
	@scripts/setup server
	@exec .venv/bin/transom-server run --config "$(CONFIG)" $(ARGS)

.PHONY: test
test: ## all tests but the drills, with coverage
	@scripts/setup dev
	@$(python) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(at_least) $(ARGS)

.PHONY: drill
drill: ## the long tests: full matrices, hard crashes
	@scripts/setup dev
	@TRANSOM_DRILL=1 $(python) -m pytest -m drill $(ARGS)

.PHONY: check
check: ## format, lint, types, imports, texts
	@scripts/setup dev
	@.venv/bin/ruff format --check --quiet . || { echo "make format puts this right" >&2; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(python) scripts/translate check

.PHONY: format
format: ## write the code in its one format
	@scripts/setup dev
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format --quiet .

.PHONY: bench
bench: ## measure; options by ARGS
	@scripts/setup dev
	@$(python) -m bench $(ARGS)

.PHONY: docs
docs: ## write the generated references anew
	@scripts/setup dev
	@$(python) scripts/reference
	@echo "Start at docs/start.md; references are in docs/reference/"

.PHONY: texts
texts: ## bring the catalogues up to the texts, and compile them
	@scripts/setup dev
	@$(python) scripts/translate update
	@$(python) scripts/translate compile

.PHONY: clean
clean: ## remove caches and reports; .venv and .demo stay
	@rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache htmlcov build dist
	@rm -f .coverage .coverage.*
	@find bench examples scripts src tests -name __pycache__ -type d -prune -exec rm -rf {} +
