# One command for each thing one does with a checkout; `make help` lists them.

SHELL := /bin/bash
ENGINE := hpc/env run
HOST := hpc/env run --host --extras demo,test,lint,validate
BROWSER := hpc/env run --host --browser --extras demo,test,browser
DOCS := hpc/env run --extras demo,docs
PYTEST := python -m pytest -n auto --maxprocesses 4 --dist loadgroup

.PHONY: help demo test test-host test-engine test-all test-browser bench corpus lint format docs clean clean-all

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
	    printf '  make %-12s %s\n' "$$name" "$$text"; done

demo:  ## audit an example notebook on TaskVine workers, repeat it, change one parameter, repeat it again
	@$(ENGINE) python examples/demo.py

test: test-host test-engine  ## the quick tests, on the host's Python and on Python 3.13 with the engine

test-host:  ## the tests that need no engine, and those of the cluster in a box
	@$(HOST) $(PYTEST) -m "not slow and not engine" tests/unit tests/box

test-engine:  ## every quick test where TaskVine can be imported
	@$(ENGINE) $(PYTEST) -m "not slow and not box and not browser" tests

test-all:  ## as test, with the slow tests
	@$(HOST) $(PYTEST) -m "not engine" tests/unit tests/box
	@$(ENGINE) $(PYTEST) -m "not box and not browser" tests
	@$(MAKE) --no-print-directory test-browser

test-browser:  ## both kernels in JupyterLab, in a real browser
	@$(BROWSER) python -m pytest tests/browser

bench:  ## the performance measurements, each beside its baseline
	@$(ENGINE) python -m benchmarks

corpus:  ## some hundred real notebooks from PyPI, audited, repeated, edited, compared with clean runs (hours)
	@hpc/env run --extras demo,test,corpus python -m benchmarks.corpus

lint:  ## format, style, types and layers
	@$(HOST) bash -ec 'ruff format --check .; ruff check .; mypy --strict nbrewind; lint-imports'

format:  ## write the code in the project's format
	@$(HOST) bash -ec 'ruff check --fix-only .; ruff format .'

docs:  ## the documentation as HTML, in docs/_build
	@$(DOCS) python -m sphinx -W --keep-going docs docs/_build

clean:  ## delete what tools left in the checkout
	@find . -type d -name __pycache__ -not -path "./.git/*" -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache docs/_build build dist

clean-all: clean  ## delete everything that make and hpc/ made: the box, environments and caches
	@hpc/env clean
