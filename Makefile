# make setup | demo | test | fuzz | check. Each sets up what it needs in .venv.
# PIP_FLAGS reaches pip, for example to name another package index (README, "Installing").

PYTHON ?= python3
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test fuzz check clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "kefu needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt \
		--editable '.[worker,meaning,index,train,evaluate,test,check]'
	touch $@

demo: $(READY)
	$(BIN)/kefu demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

INPUTS ?= 100000
SEED ?= 1

fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/audit.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
