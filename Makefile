# reelshelf: `make demo`, `make serve` and `make test` need Python 3.11+ with venv, and nothing else.
#
#   TORCH_INDEX=https://download.pytorch.org/whl/cpu   installs torch's CPU build (200 MB) in place
#                                                      of the package index's default (gigabytes of CUDA)
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
DEMO_STORE ?= out/demo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo serve test test-all test-fast lint clean

demo: $(INSTALLED)
	$(BIN)/python -m examples.demo --store $(DEMO_STORE)

# The example shop in a browser: http://127.0.0.1:8080
serve: $(INSTALLED)
	$(BIN)/reelshelf serve --store $(DEMO_STORE) --pictures examples/shop/catalog \
	  --posters $(dir $(DEMO_STORE))posters

# What every change runs; what takes long is left to test-all.
test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow"

# All of them, an hour on two cores: before a release, and where engines, stores or indexes change.
test-all: $(INSTALLED)
	$(BIN)/python -m pytest

# The inner loop: no Ray, no real models.
test-fast: $(INSTALLED)
	$(BIN)/python -m pytest -m "not integration and not gpu and not slow"

# mypy and import-linter look for the import name in the file system: here it is links.
LINKS := build/links/reelshelf

lint: $(INSTALLED)
	mkdir -p $(LINKS)
	for room in schemas models indexer searcher jobs; do ln -sfn ../../../$$room $(LINKS)/$$room; done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=build/links $(BIN)/lint-imports

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/pip install -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) out build *.egg-info
