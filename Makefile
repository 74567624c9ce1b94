# Environments are made on first use, and brought up to date when pyproject.toml changes: with uv
# where it is on PATH, else with venv and pip.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
UV := $(shell command -v uv 2>/dev/null)
VENV := .venv
PY := $(VENV)/bin/python
# More arguments for the tool behind a target: make test ARGS="-k certify"
ARGS ?=
# Two BLAS pools slow each other down on few cores, and more so with a test worker on every core.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := -m pytest -n auto
SOLVERS := "import piqp" "import clarabel" "from scipy.optimize import milp; assert milp(1).success"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test coverage fuzz check solvers format headline bench bench-backtests bench-infeasible bench-risks bench-sparse bench-tails bench-tall docs docs-peers test-browser test-lowest load mutate clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/runtime.done  ## Track the S&P 500 with twenty of its stocks, on embedded prices
	@$(PY) docs/examples/track_sp500.py $(ARGS)

test: solvers $(VENV)/test.done  ## Run all tests and docstring examples
	$(ONE_THREAD) $(PY) $(PYTEST) $(ARGS)

coverage: solvers $(VENV)/test.done  ## Run all tests, and fail where less than 95 % of branches are reached
	$(ONE_THREAD) $(PY) $(PYTEST) --cov --cov-report=term $(ARGS)

fuzz: solvers $(VENV)/test.done  ## Judge 20 000 random problems, and write docs/fuzz.md
	$(ONE_THREAD) $(PY) -m tests.fuzz --page docs/fuzz.md $(ARGS)

check: solvers $(VENV)/lint.done $(VENV)/test.done  ## Check format, style, types, architecture, docstrings
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_architecture.py tests/test_docstrings.py

solvers: $(VENV)/runtime.done  ## Fail if a required solver (PIQP, Clarabel, HiGHS) does not load
	@for line in $(SOLVERS); do $(PY) -c "$$line" || { \
		echo "A required solver does not load. Remove $(VENV) and try again." >&2; exit 1; }; done

format: $(VENV)/lint.done  ## Format the code, and repair what ruff can repair
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)-bench/bench.done  ## Compare with the peers, in an environment of their own
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks $(ARGS)

bench-backtests: $(VENV)-bench/bench.done  ## Compare backtests with a peer, on workers and clusters
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks.backtests $(ARGS)

bench-infeasible: $(VENV)-bench/bench.done  ## Explain 300 problems without a solution, and check it
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks.infeasible

bench-risks: $(VENV)-bench/bench.done  ## Compare every risk with a peer
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks.risks

bench-sparse: $(VENV)-bench/bench.done  ## Compare portfolios of few names with the peers
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks.sparse $(ARGS)

bench-tails: $(VENV)-bench/bench.done  ## Compare tail risks and tracking limits with the peers
	$(ONE_THREAD) $(VENV)-bench/bin/python -m benchmarks.tails

bench-tall: $(VENV)-bench/bench.done  ## Measure many scenarios, frontiers and growth, with all threads
	$(VENV)-bench/bin/python -m benchmarks.tall

headline: $(VENV)/test.done  ## Write table and picture of the README, from what the benchmarks measured
	$(PY) -m benchmarks.headline
	$(PY) -c "import runpy, matplotlib.pyplot as plt; runpy.run_path('docs/pictures/out_of_sample.py'); \
		plt.savefig('docs/_static/out_of_sample.png', dpi=130)"

load: $(VENV)/runtime.done  ## Measure fits at once, and the memory of many in a row
	$(ONE_THREAD) $(PY) -m benchmarks.load

docs: $(VENV)/docs.done  ## Build the pages in docs/_build/html, run their examples, and follow their links
	@rm -rf docs/generated docs/_build/html
	$(PY) -m sphinx -W --keep-going -b html $(ARGS) docs docs/_build/html
	$(PY) docs/check_links.py docs/_build/html

test-browser: $(VENV)/browser.done  ## Open tear sheets, notebooks and built pages in Chromium
	$(ONE_THREAD) $(PY) -m pytest tests/browser $(ARGS)

docs-peers: $(VENV)-bench/bench.done  ## Run both sides of the pages on coming from a peer, and compare
	$(ONE_THREAD) $(VENV)-bench/bin/python docs/coming_from/check_peers.py

test-lowest: $(VENV)-lowest/lowest.done  ## Run all tests with the oldest supported versions
	$(ONE_THREAD) $(VENV)-lowest/bin/python $(PYTEST) $(ARGS)

mutate: $(VENV)/mutation.done  ## Change the code in small ways, and see whether the tests notice
	$(ONE_THREAD) $(PY) -m benchmarks.mutate $(ARGS)

clean:  ## Remove environments, caches and all that was built
	rm -rf $(VENV) $(VENV)-bench $(VENV)-lowest dist docs/_build docs/generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find benchmarks docs tests trackfolio -name __pycache__ -prune -exec rm -rf {} +

# An environment is a folder with stamps: empty.done, then runtime.done (the library), and GROUP.done
# for each dependency group.

PIP = $(if $(UV),$(UV) pip install --python $(@D)/bin/python,$(@D)/bin/python -m pip install) --quiet
INSTALLING = @echo "Installing trackfolio, $(basename $(@F)) dependencies, in $(@D)"

$(VENV)/empty.done $(VENV)-bench/empty.done $(VENV)-lowest/empty.done:
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "trackfolio needs Python >= 3.11," \
		"not found as $(or $(PYTHON),python3): make PYTHON=/path/to/python3" >&2; exit 1; }
	@rm -rf $(@D)
	@# pip knows dependency groups from 25.1
	@$(if $(UV),$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(@D),\
		$(PYTHON) -m venv $(@D) && $(PIP) --upgrade "pip>=25.1")
	@touch $@

$(VENV)/runtime.done: pyproject.toml | $(VENV)/empty.done
	$(INSTALLING)
	@$(PIP) --editable .
	@touch $@

$(VENV)/%.done: pyproject.toml | $(VENV)/empty.done
	$(INSTALLING)
	@$(PIP) --editable . --group $*
	@touch $@

$(VENV)-bench/%.done: pyproject.toml | $(VENV)-bench/empty.done
	$(INSTALLING)
	@$(PIP) --editable . --group $*
	@touch $@

# Only uv can ask for the oldest versions.
$(VENV)-lowest/lowest.done: pyproject.toml | $(VENV)-lowest/empty.done
	$(INSTALLING)
	@$(if $(UV),:,$(PIP) uv)
	@$(or $(UV),$(@D)/bin/uv) pip install --python $(@D)/bin/python --quiet \
		--resolution lowest-direct --editable . --group test
	@touch $@
