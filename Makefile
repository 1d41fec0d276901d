# Two commands do everything on a fresh machine: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SEEDS ?= 10000
MINUTES ?= 10
ROWS ?= 100000

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib  # on all cores; pip takes one
	@touch $(READY)

.PHONY: setup
setup: $(READY) ## Make the virtual environment from the lock file

.PHONY: run
run: $(READY) ## Import the sample customers into the embedded sandbox API (again: nothing is sent twice)
	@$(BIN)/python sample_data/quickstart.py

.PHONY: test
test: $(READY) ## Run the tests (under 6 minutes on 2 cores)
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal

.PHONY: lint
lint: $(READY) ## Lint, check formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: rehearse
rehearse: $(READY) ## 100,000 rows through faults and three kill -9, a second night with one more, audits (some minutes)
	$(BIN)/python -m tests.rehearsal.kill_nine

.PHONY: cluster
cluster: $(READY) ## ROWS rows by two workers and by two shards, with kill -9 of everything, audits (ROWS=100000)
	$(BIN)/python -m tests.cluster --rows $(ROWS)

.PHONY: model
model: $(READY) ## Model-check the delivery protocol, all variants (some minutes)
	$(BIN)/python -m tests.model

.PHONY: simulate
simulate: $(READY) ## Simulate the whole job from SEEDS seeds on two cores (SEEDS=10000)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

.PHONY: torture
torture: $(READY) ## Real processes, real sockets, real kill -9 for MINUTES minutes (MINUTES=10)
	$(BIN)/python -m tests.torture --minutes $(MINUTES)

.PHONY: fuzz
fuzz: $(READY) ## Fuzz readers, validation and answers for MINUTES minutes
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

.PHONY: bench
bench: $(READY) ## Measure speed beside its peers, write docs/performance.md (2 quiet cores; PARTS="nightly check")
	$(BIN)/python -m benchmarks $(PARTS) --write-docs

.PHONY: bench-memory
bench-memory: $(READY) ## The same for peak memory over 10,000,000 rows (15 minutes, 15 GB of disk)
	$(BIN)/python -m benchmarks memory --write-docs

.PHONY: bench-pacing
bench-pacing: $(READY) ## Measure the adaptive pacing against token buckets
	$(BIN)/python benchmarks/pacing/run.py --table

.PHONY: sample-data
sample-data: $(READY) ## Write sample_data/ again from its seed
	$(BIN)/python sample_data/generate.py
	$(BIN)/python sample_data/legacy/generate_legacy.py

.PHONY: man
man: $(READY) ## Write the manual page man/importer.1 from the program
	$(BIN)/python man/make_man.py

.PHONY: lock
lock: ## Resolve the lock file again (needs uv on the PATH)
	uv pip compile pyproject.toml --all-extras --group dev --group build --universal \
	  --python-version 3.11 --generate-hashes --no-header --quiet \
	  --output-file requirements.lock

.PHONY: lock-peers
lock-peers: ## Resolve what the benchmarks compare with again (needs uv on the PATH)
	uv pip compile benchmarks/peers.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --quiet --output-file benchmarks/peers.lock

.PHONY: clean
clean: ## Remove the environment and everything that runs made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis results rehearsal \
	  benchmarks/.venv benchmarks/.build benchmarks/.work benchmarks/newman/node_modules
