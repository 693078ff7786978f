# `make help` lists everything. VENV and PYTHON can be set: make test PYTHON=python3.12 VENV=/tmp/venv
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PINS   := constraints.txt
WORKERS ?= 2
TABLES ?= t1 t3 t4
DATA   ?= data
ALL    := -e '.[dev,bench]' -e 'service[local,s3]' -e 'client[timm,bar,completion,onnx]'
WORKS  := -e '.[train,gpu]' -e 'service[local]' -e client
CLIENTS = $(patsubst tests/clients/%.txt,$(VENV)/clients/%/.ready,$(wildcard tests/clients/*.txt))
DISTS  := pyproject.toml service/pyproject.toml client/pyproject.toml

# uv for speed, with the certificates of the system; pip where uv can't reach what pip can.
install = VIRTUAL_ENV=$(VENV) UV_SYSTEM_CERTS=true $(BIN)/uv pip install --quiet --compile-bytecode --constraint $(PINS) $(1) || \
  $(BIN)/python -m pip install --quiet --constraint $(PINS) $(1)

.DEFAULT_GOAL := help
.PHONY: help setup check fix test serve worker bench evidence evidence-smoke docs

help:  ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready $(CLIENTS)  ## make .venv with everything that developing needs (torch: 5 GB the first time)

check: $(VENV)/.ready  ## lint, types, layers, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

fix: $(VENV)/.ready  ## format, mend what can be mended, make the generated docs anew
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

# A file's tests share a process, with the servers they start; files go by name, which puts the long ones first. They start
# some hundred processes, which would each compile our modules anew where nothing may be written beside them.
test: $(VENV)/.ready $(CLIENTS)  ## every test, in two processes (WORKERS=4: in four)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

serve: $(VENV)/.serves  ## run the service (no torch needed) and print a command to paste
	@$(BIN)/python -m learngenes_service

worker: $(VENV)/.works  ## run a worker for the jobs of the service (torch: 5 GB the first time)
	@$(BIN)/python -m learngenes_service worker

bench: $(VENV)/.ready  ## measure streaming against nginx, FileResponse and torch; writes docs/results/streaming.md
	$(BIN)/python -m bench

evidence: $(VENV)/.ready  ## run the papers' tables (TABLES="t1 t3", DATA=data); what runs/evidence holds is not run again
	$(BIN)/python -m experiments run $(TABLES) --data $(DATA)

evidence-smoke: $(VENV)/.ready  ## one table on scikit-learn's digits from an empty cache, in minutes
	rm -rf runs/evidence-smoke
	$(BIN)/python -m experiments run smoke --run runs/evidence-smoke --pages runs/evidence-smoke/pages
	@cat runs/evidence-smoke/pages/smoke.md

docs: $(VENV)/.ready  ## make the generated docs anew
	$(BIN)/python docs/generate.py

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.serves: $(BIN)/uv $(DISTS) $(PINS)
	$(call install,-e . -e 'service[local]' -e client)
	@touch $@

$(VENV)/.works: $(BIN)/uv $(DISTS) $(PINS)
	$(call install,$(WORKS))
	@touch $@ $(VENV)/.serves

# Older clients of the hub, each beside the environment and put before it by PYTHONPATH: torch is there once, and so is
# whatever else they need.
$(VENV)/clients/%/.ready: tests/clients/%.txt | $(VENV)/.ready
	@rm -rf $(@D)
	VIRTUAL_ENV=$(VENV) UV_SYSTEM_CERTS=true $(BIN)/uv pip install --quiet --no-deps --target $(@D) -r $< || \
	  $(BIN)/python -m pip install --quiet --no-deps --target $(@D) -r $<
	@touch $@

$(VENV)/.ready: $(BIN)/uv $(DISTS) $(PINS)
	$(call install,$(ALL))
	@touch $@ $(VENV)/.serves $(VENV)/.works
