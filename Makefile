# The two commands of the README. Both set up what they need first (setup.sh explains it).
VENV ?= .venv
RUN ?= runs/quick
BIN = $(VENV)/bin
TREE = build/tree
.PHONY: help setup setup-dev search test test-slow lint types imports tree clean

help:
	@echo "make search   verify, cost, train and search; export the Pareto front to $(RUN)/export"
	@echo "make test     every test, lint, type and import-direction check"

setup:
	@AXDSE_VENV=$(VENV) ./setup.sh

setup-dev: tree
	@AXDSE_VENV=$(VENV) ./setup.sh dev

search: setup
	$(BIN)/axdse search examples/quick.yaml --run $(RUN) --resume
	$(BIN)/axdse export $(RUN) -o $(RUN)/export --overwrite

# In the order of folders: files of few tests are the long ones, and would all come last.
test: lint types imports
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: setup-dev
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m slow

lint: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# mypy, import-linter and editors want to see the folders under the name that they are imported by.
tree:
	@mkdir -p $(TREE)/axdse
	@for p in package/__init__.py package/py.typed multipliers flows gpu dse; do \
	    ln -sfn $(CURDIR)/$$p $(TREE)/axdse/$$(basename $$p); done

types: setup-dev
	MYPYPATH=$(TREE) $(BIN)/mypy --namespace-packages --explicit-package-bases \
	    -p axdse

imports: setup-dev
	PYTHONPATH=$(TREE) $(BIN)/lint-imports

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
