# Every target sets up what it needs: `make demo` or `make test` works on a fresh clone.
.DEFAULT_GOAL := help

PYTHON ?= python3
EVENT ?= events/alarm-high-step2.json
SEEDS ?= 20000
UV ?= uv
CHECKOV ?= checkov
PIP_AUDIT ?= pip-audit

BIN := .venv/bin
INSTALLED := .venv/installed
MUTATION := .cache/mutation
MUTMUT := ../../.venv-mutation/bin/mutmut
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# A worker takes one file at a time, the longest first (tests/conftest.py); ARGS="-n 0" uses a single process.
BESIDE := --numprocesses auto --dist loadfile --no-loadscope-reorder

export SAM_CLI_TELEMETRY := 0
# Without a Region, sam fails even offline.
export AWS_DEFAULT_REGION ?= us-east-1

.PHONY: help install demo test axe prose emulator simulate-faults bench bench-publisher mutate check audit build packages invoke lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Set up .venv from requirements.lock; with another Python: make clean install PYTHON=python3.12

demo: $(INSTALLED) ## Watch Quickstep race models of AWS's scalers through a surge, without an AWS account
	@$(BIN)/quickstep demo $(ARGS)

test: $(INSTALLED) ## Run the tests: ARGS="tests/unit -k cooldown"
	@$(BIN)/pytest $(BESIDE) --ignore tests/emulator $(ARGS)

emulator: $(INSTALLED) .venv-emulator/installed ## Deploy the stack on ministack, surge, update, operate and delete it
	@$(BIN)/pytest tests/emulator -n 0 $(ARGS)

axe: .cache/axe/installed ## Fetch the accessibility checker of the browser tests; needs npm

.cache/axe/installed: tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

prose: $(INSTALLED) ## Check documents, comments and messages against docs/style; needs npm
	@if command -v npm >/dev/null && $(MAKE) --no-print-directory .cache/textlint/installed; \
		then $(BIN)/python -m docs.prose; \
		else echo "make prose is skipped: npm, or its registry, is not available" >&2; fi

.cache/textlint/installed: docs/style/package.json docs/style/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

simulate-faults: $(INSTALLED) ## Break the protocol in thousands of random ways: SEEDS=100
	@$(BIN)/python -m tests.simulation.run --seeds $(SEEDS)

bench: $(INSTALLED) ## Run the benchmarks, and write docs/performance.md: ARGS="dashboard"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-publisher: $(INSTALLED) ## Measure the publisher's overhead, which takes longer: ARGS="--starts 20"
	@$(BIN)/python -m benchmarks.publisher $(ARGS)

mutate: .venv-mutation/installed ## Mutate the engine, and list the mutants that survive the tests: ARGS="*steps*"
	@rm -rf $(MUTATION) && mkdir -p $(MUTATION)
	@ln -s ../../layers/core $(MUTATION)/src && ln -s ../../tests ../../pyproject.toml $(MUTATION)
	@cd $(MUTATION) && HYPOTHESIS_PROFILE=mutation nice -n 10 $(MUTMUT) run --max-children 2 $(ARGS)
	@cd $(MUTATION) && $(MUTMUT) results | sed '/: not checked$$/d'
	@echo "Survivors: 'cd $(MUTATION) && $(MUTMUT) show NAME' shows one; tests/mutants.md explains those known"

check: $(INSTALLED) ## Lint code and prose, check formats and types, validate the templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint templates/*.yaml examples/app/template.yaml
	@$(MAKE) --no-print-directory prose

# Neither tool is in the lock: they are large, and change nothing that is built here. pip-audit lists
# packages that it could not check, and calls that a success; only --strict makes it fail.
audit: ## Scan templates and packages for known vulnerabilities; needs a network, checkov and pip-audit
	@for tool in "$(CHECKOV)" "$(PIP_AUDIT)"; do \
		command -v $${tool%% *} >/dev/null || { echo "make audit needs $$tool: pipx install $$tool" >&2; exit 1; }; \
	done
	$(CHECKOV) --quiet --compact --skip-download --framework cloudformation \
		--file template.yaml templates/*.yaml examples/app/template.yaml
	$(CHECKOV) --quiet --compact --skip-download --framework dockerfile --file examples/app/Dockerfile
	@verdict=0; for what in \
		"--disable-pip --requirement requirements.lock --requirement requirements-runtime.lock" \
		"--disable-pip --requirement layers/powertools/requirements.txt" publisher; do \
		echo "$(PIP_AUDIT) $$what"; $(PIP_AUDIT) $$what || verdict=1; \
		$(PIP_AUDIT) --strict $$what >/dev/null 2>&1 || verdict=1; \
	done; [ $$verdict = 0 ] || { echo "make audit: what has an advisory, or could not be asked about," \
		"is listed above" >&2; exit 1; }

build: $(INSTALLED) ## Build function and layers with `sam build`
	@$(BIN)/python -m quickstep_lab.build

packages: $(INSTALLED) ## Build the packages for Terraform in terraform/scaler/packages
	@$(BIN)/python -m quickstep_lab.packages

invoke: $(INSTALLED) ## Run the built function on one event: EVENT=events/alarm-low.json ARGS=--logs
	@$(BIN)/python -m quickstep_lab.invoke $(EVENT) $(ARGS)

lock: ## Update the lock files from pyproject.toml, with uv; to newer releases: ARGS=--upgrade
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pipx install uv, or UV=/path/to/uv" >&2; exit 1; }
	$(UV) pip compile $(ARGS) --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --extra lab --group dev pyproject.toml -o requirements.lock
	$(UV) pip compile $(ARGS) --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.13 --group pyproject.toml:runtime -o requirements-runtime.lock
	$(UV) pip compile $(ARGS) --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --group pyproject.toml:mutation -o requirements-mutation.lock
	$(UV) pip compile $(ARGS) --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --group pyproject.toml:emulator -o requirements-emulator.lock
	$(UV) pip compile $(ARGS) --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.13 --group pyproject.toml:layer -o layers/powertools/requirements.txt

clean: ## Remove everything that these targets create
	rm -rf .venv .venv-runtime .venv-mutation .venv-emulator .cache/emulator $(MUTATION) .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock and pyproject.toml list everything to install; the stamp says that it is installed. Python
# compiles the few modules that are imported; pip would compile all, and take a third longer.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages into .venv, once: a minute or two"
	@$(PIP) install --no-compile --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv-mutation/installed: requirements-mutation.lock | $(BIN)/python
	@$(BIN)/python -m venv --clear .venv-mutation
	@.venv-mutation/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
		--require-hashes --no-deps -r requirements-mutation.lock
	@touch $@

# If it cannot be installed, the tests are skipped and say so.
.venv-emulator/installed: requirements-emulator.lock | $(BIN)/python
	@$(BIN)/python -m venv --clear .venv-emulator
	@.venv-emulator/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
		--no-compile --require-hashes --no-deps -r requirements-emulator.lock && touch $@ \
		|| echo "ministack could not be installed: its tests are skipped" >&2

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
		echo "Quickstep needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1). Name one: make install PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
