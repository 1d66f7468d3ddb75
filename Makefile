# `make run` and `make test` are all a newcomer needs; both install what they use into .venv first.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install run test check bench fuzz soak faults coverage-doc lock clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

LISTEN ?= 0.0.0.0:8443

run: $(INSTALLED)
	$(BIN)/mapigw demo --data data --mail fixtures/mail --listen $(LISTEN)

test: $(INSTALLED)
	$(BIN)/pytest -q -n auto

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz
	$(BIN)/python -m tests.fuzz.rops --seconds 60 --seeds 5

# Devices and an online client on one mailbox, with crashes; a seed that fails is printed.
MINUTES ?= 60

soak: $(INSTALLED)
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

# Clients that are told of ten thousand changes, while connections are cut and the server is killed.
faults: $(INSTALLED)
	$(BIN)/python -m tests.faults

coverage-doc: $(INSTALLED)
	$(BIN)/python -m tools.coverage_table docs/coverage.md

# The exact versions and hashes of everything, for Python 3.11; needed after a change of the dependencies.
lock: $(INSTALLED)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --extra dev --all-build-deps --allow-unsafe \
		--generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
