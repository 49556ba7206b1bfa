# `make demo` and `make test` are complete on a fresh machine: the environment is made first, and again only when
# pyproject.toml, constraints.txt or the set of package files changes. Set on the command line:
#   VENV=.venv313 PYTHON=python3.13   another environment, and the interpreter that it is created with
#   EXTRAS=test,lint                  what `make test` installs
#   ARGS="tests/data -n 8"            arguments of pytest
#   UV=                               install with pip even where there is uv

VENV ?= .venv
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do $$python -c $(SUPPORTED) 2>/dev/null && \
	echo $$python && break; done)
SUPPORTED = 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
EXTRAS ?= test
UV ?= $(shell command -v uv)

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check -qq install
INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(VENV) --compile-bytecode --reinstall-package simulacra,$(PIP))
ROOMS = formalism data lm inference analysis report cli

unexport PYTHONDONTWRITEBYTECODE # else every process compiles the package again

.PHONY: help demo test test-long lint docs bench tabulator FORCE

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/with-report ## Fit the shipped logs of the miniature organism; compare true and estimated values
	$(VENV)/bin/simulacra demo

test: $(VENV)/with-$(EXTRAS) ## Run the tests
	$(VENV)/bin/pytest -n 2 --dist worksteal $(ARGS)

test-long: $(VENV)/with-$(EXTRAS) ## Run what takes minutes: recovery of known values, pages, examples, runs in several processes
	$(VENV)/bin/pytest -n 2 --dist worksteal -m 'long and not slow' $(ARGS)

lint: $(VENV)/with-test,lint ## Check style, types and the order of the rooms
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports

docs: $(VENV)/with-test,docs ## Build the site in site/; a warning is an error
	$(VENV)/bin/python -m sphinx --quiet --nitpicky --fail-on-warning --keep-going -b html docs site

bench: $(VENV)/with-test,bench ## Compare speed with other tools (minutes to hours)
	$(VENV)/bin/python -m benchmarks.peers
	$(VENV)/bin/python -m benchmarks.scaling

TABULATOR = 6.5.3
ESBUILD = 0.28.2
MODULES = Tabulator, FilterModule, FormatModule, SortModule, InteractionModule, ResizeTableModule

tabulator: ## Bundle the table library of the report again (needs npm; writes report/templates/tabulator.*)
	npm install --silent --prefix build/tabulator tabulator-tables@$(TABULATOR) esbuild@$(ESBUILD)
	echo 'export { $(MODULES) } from "tabulator-tables"' > build/tabulator/modules.js
	cd build/tabulator/node_modules && \
	for kind in js css; do { printf '/*! Tabulator $(TABULATOR), https://tabulator.info\n\n' && cat tabulator-tables/LICENSE && \
		printf '*/\n'; } > ../head.$$kind; done && \
	.bin/esbuild ../modules.js --bundle --minify --format=iife --global-name=tabulatorTables --legal-comments=none | \
		cat ../head.js - > ../tabulator.js && \
	.bin/esbuild tabulator-tables/dist/css/tabulator_simple.css --minify | cat ../head.css - > ../tabulator.css
	cp build/tabulator/tabulator.js build/tabulator/tabulator.css report/templates/

$(VENV)/with-%: pyproject.toml constraints.txt build/package-files | $(VENV)/bin/pip
	$(INSTALL) -c constraints.txt -e '.[$*]'
	@touch $@

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 was found; set the interpreter: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The strict editable install is a tree of links in build/: files that are added, moved or removed need a new one.
build/package-files: FORCE
	@mkdir -p build
	@find $(ROOMS) -type f ! -name '*.pyc' | sort > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
