# Everything a developer types. `make` alone lists the targets; ARGS="…" is handed to the program behind a target.

.DEFAULT_GOAL := help
.PHONY: help install demo run test check lint names sim chaos grids mutants drills screenshots bench lock clean

PYTHONS := python3.13 python3.12 python3.11 python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := .venv-peers/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Tests wait for timers and processes more than they compute: twice the cores of a small machine. ARGS="-n 0" for one.
TEST_WORKERS := 4
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Create .venv from the hash-pinned requirements

demo: $(INSTALLED) ## Play a warehouse day with faults on embedded servers and count every command
	@$(BIN)/python -m tests.demo $(ARGS)

run: $(INSTALLED) ## Start the Procfile and stay up; sandbox vendors unless vendor settings are given
	@$(BIN)/python -m tests.run $(ARGS)

test: $(INSTALLED) ## Run the tests
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist worksteal $(ARGS)

check: lint names test ## Formatting, lint, types, import contracts and tests

lint: $(INSTALLED) ## check without the tests
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# A name that holds the time or follows a hash's order differs between pytest's processes, which then run nothing.
names: $(INSTALLED) ## Check that the tests have the same names each time they are collected
	@mkdir -p var && for seed in 1 2; do \
		PYTHONHASHSEED=$$seed $(BIN)/python -m pytest --collect-only -q 2>&1 | grep :: >var/names-$$seed; \
	done; diff var/names-1 var/names-2

sim: $(INSTALLED) ## Play seeded faults on a virtual clock (SEED=n replays one, SEEDS=n plays so many)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

chaos: $(INSTALLED) ## Play 5,000 commands while processes, server and vendors fail, and count every one
	@$(BIN)/python -m tests.chaos $(ARGS)

grids: $(INSTALLED) ## One command and one trouble a cell: crashes, late commits, unclear answers, 429s, repeats
	@$(BIN)/python -m tests.grids $(ARGS)

mutants: $(INSTALLED) ## Break the promise by hand in many places and see each found by its test
	@$(BIN)/python -m tests.mutants $(ARGS)

drills: $(INSTALLED) ## Long runs that count: limiter, restarts, kills, backpressure (ARGS="limiter" for one)
	@$(BIN)/python -m tests.drills $(ARGS)

screenshots: $(INSTALLED) ## Draw docs/images anew: status screen, Flower, dead letters, station
	@$(BIN)/python -m tests.screenshots

bench: $(INSTALLED) $(PEERS) ## Measure against other task queues, in rounds that take turns, and print the targets
	@$(BIN)/python -m tests.benchmarks $(ARGS)

lock: ## Resolve the requirement files again (ARGS=--upgrade for newer versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	@$(COMPILE) pyproject.toml --extra build $(ARGS) -o requirements/runtime.txt
	@$(COMPILE) pyproject.toml --extra build --extra tracing \
		-c requirements/runtime.txt $(ARGS) -o requirements/tracing.txt
	@$(COMPILE) pyproject.toml --extra build --extra local --extra tracing --extra test \
		-c requirements/tracing.txt $(ARGS) -o requirements/dev.txt
	@$(COMPILE) requirements/peers.in -c requirements/runtime.txt $(ARGS) -o requirements/peers.txt

clean: ## Remove everything that can be made again
	@rm -rf $(VENV) $(dir $(PEERS)) build var *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv whose interpreter or pip does not run (interrupted, copied, its Python removed) is made anew.
$(INSTALLED): requirements/dev.txt pyproject.toml
	@if ! { $(PIP) --version && $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } >/dev/null 2>&1; then \
		chosen=; \
		for python in $(PYTHONS); do \
			if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
			then chosen=$$python; break; fi; \
		done; \
		if [ -z "$$chosen" ]; then \
			echo "Stockrelay needs Python 3.11 or newer with its venv module (looked for: $(PYTHONS))." >&2; \
			exit 1; \
		fi; \
		rm -rf $(VENV) && $$chosen -m venv $(VENV) || exit 1; \
	fi
	@echo "Installing the pinned packages into $(VENV) ..."
	@$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# What `make bench` measures ours against: an environment of its own, so that none of it is ever imported by ours.
$(PEERS): requirements/peers.txt | $(INSTALLED)
	@echo "Installing the pinned peers into $(@D) ..."
	@rm -rf $(@D) && $(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: \
		-r requirements/peers.txt
	@touch $@
