# The project in a few words. `make` alone lists them.
# ARGS="..." is handed on: make train ARGS="task=segmentation seed=1"

PYTHON  ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2
ARGS    ?=
EXTRAS  ?=
BIN     := .venv/bin
TOOLS := build/tools
WHEEL := $(BIN)/pip wheel --disable-pip-version-check -q -w wheelhouse
CAMPAIGNS := benchmarks/kills.py benchmarks/damage.py benchmarks/games.py benchmarks/safety.py benchmarks/finetune.py benchmarks/plans.py

.DEFAULT_GOAL := help
.PHONY: setup train test test-long test-fast coverage bench format lint docs site experiments-check lock wheelhouse sbom help

setup: .venv/.installed ## build .venv, or bring it up to date

train: .venv/.installed ## train a model: make train ARGS="task=segmentation trainer.max_steps=100"
	@$(BIN)/python -m src.train $(ARGS)

test: .venv/.installed ## run the test suite
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-long: .venv/.installed ## run the campaigns of docs/reliability.md again: kills, damage, failed games (hours)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long $(ARGS)

test-fast: .venv/.installed ## run the tests that take less than a fifth of a second each: most of them
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m fast $(ARGS)

coverage: .venv/.installed ## the share of the lines of src/ that the tests reach; build/coverage/index.html
	@rm -rf build/coverage && mkdir -p build/coverage
	@OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n $(WORKERS) --dist worksteal $(ARGS); code=$$?; \
	$(BIN)/coverage combine -q && $(BIN)/coverage html -q -d build/coverage && $(BIN)/coverage report --format=total; exit $$code

bench: .venv/.installed ## run the benchmarks
	@for script in $(filter-out $(CAMPAIGNS),$(wildcard benchmarks/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

experiments-check: .venv/.installed ## prove that every experiment's table and verdicts follow from its runs
	@$(BIN)/python -m src.experiment check

lint: .venv/.installed ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/.installed ## mend style: order of imports, layout
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/.installed ## write the pages that are made by code; check links and commands of all pages
	@$(BIN)/python -m tests.data.formats.page
	@$(BIN)/python -m tests.answers
	@$(BIN)/python -m pytest -q tests/test_project.py -k pages $(ARGS)

site: .venv/.installed ## build the documentation as a site in build/site, which works offline
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "open build/site/index.html"

lock: $(TOOLS)/.installed ## write requirements.lock: the default install with the hashes of its files
	@$(TOOLS)/bin/python scripts/lock.py

# torch is the build that pip chooses on this machine: make the folder on a machine like the one it is for.
wheelhouse: .venv/.installed ## a folder of wheels, to install where there is no network: make wheelhouse EXTRAS=data,export
	@$(WHEEL) -c constraints.txt torch
	@$(WHEEL) --no-deps --require-hashes -r requirements.lock
	@$(WHEEL) $(if $(EXTRAS),-c constraints.txt ".[$(EXTRAS)]",--no-deps .)
	@echo "there: pip install --no-index --find-links wheelhouse ganatomy$(if $(EXTRAS),[$(EXTRAS)])"

sbom: .venv/.installed $(TOOLS)/.installed ## list what is installed as a CycloneDX bill of materials, sbom.json
	@$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json $(BIN)/python
	@echo "written: sbom.json"

$(TOOLS)/.installed: constraints.txt
	@"$(PYTHON)" -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/pip install --disable-pip-version-check -q -c constraints.txt uv cyclonedx-bom
	@touch $@

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile

# torch goes first: the largest download, and the one whose build (CPU or CUDA) decides what follows.
# pip shows its progress on a terminal and keeps quiet in a log.
.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "GANatomy needs Python 3.11 or newer: install it, or name it with make setup PYTHON=/path/to/python"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is not Python 3.11 or newer: name one with make setup PYTHON=/path/to/python"; exit 2; }
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv --clear .venv || { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt install python3-venv)"; exit 2; }
	@if test -t 1; then quiet=; else quiet=-q; fi; \
	pip="$(BIN)/pip install --disable-pip-version-check $$quiet -c constraints.txt"; \
	echo "setup 1/2: torch" && $$pip torch && \
	echo "setup 2/2: everything else" && $$pip -e ".[dev]"
	@touch $@
