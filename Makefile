# make demo   all set-up, then the main job: build, verify and replay a capsule of examples/magic
# make test   all set-up, then lint, types and every test
SHELL := /bin/bash
.DELETE_ON_ERROR:
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo test lint type fast fuzz bench exact-ops base-context clean

HOST := .venv
DEV := .venv-dev
OUTPUT := build
# Two tests at once, those of one file by one process, each process with a warm store of its own.
PARALLEL := -n 2 --dist loadfile

demo: $(HOST)/made
	@mkdir -p $(OUTPUT)
	export PATH="$(CURDIR)/$(HOST)/bin:$$PATH"
	capsule=$(OUTPUT)/magic.capsule.zip
	set -x
	exseos capsule build examples/magic/spec.yaml -o "$$capsule"
	exseos capsule verify "$$capsule"
	exseos capsule replay "$$capsule"

test: lint type
	scripts/with-engines $(DEV)/bin/pytest $(PARALLEL) -m "not slow"
	scripts/with-engines $(DEV)/bin/pytest $(PARALLEL) -m slow

# The tests that need neither network nor container: for the work in between.
fast: $(DEV)/made
	$(DEV)/bin/pytest -m "not network and not engine and not slow and not experiment"

# Mutants of a capsule before verify and inspect: more than the tests examine.
fuzz: $(DEV)/made
	$(DEV)/bin/python -m tests.hostile.mutation 20000

lint: $(DEV)/made
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

type: $(DEV)/made
	$(DEV)/bin/mypy

bench: $(DEV)/made
	scripts/with-engines $(DEV)/bin/python -m benchmarks

# Which of TensorFlow's operations are exact: exseos/worker/numerics/exact_ops.json, in about an hour.
exact-ops: $(DEV)/made
	scripts/with-engines $(DEV)/bin/python -m tests.numerics.table

# What `docker build -f Dockerfile.base` takes: rootfs.tar beside the Dockerfile.
base-context: $(HOST)/made
	$(HOST)/bin/exseos image base-context $(OUTPUT)/base

$(HOST)/made: pyproject.toml scripts/make-venv
	scripts/make-venv $(HOST)

$(DEV)/made: pyproject.toml scripts/make-venv
	scripts/make-venv $(DEV) experiment dev

clean:
	rm -rf $(HOST) $(DEV) $(OUTPUT) .mypy_cache .ruff_cache .pytest_cache .hypothesis
