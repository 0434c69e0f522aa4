# Everything runs in .venv, which is made on first use and reused while constraints.txt and pyproject.toml stand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
MINUTES ?= 10
# Tests that give hostile text to compiled code.
CHECKED := $(addprefix tests/pipeline/,filters/test_filters_signals.py filters/test_filters.py \
	markup/test_html_hostile.py markup/test_html_form.py test_compiled_memory.py) \
	tests/fuzz/test_markup.py tests/fuzz/test_texts.py

.PHONY: quickstart test test-slow fuzz lint bench clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "groundup needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

quickstart: $(VENV)/.installed
	$(BIN)/groundup quickstart --workers $(WORKERS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# What is long, and the tests of hostile text once more with every access to memory checked.
test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) -m slow
	GROUNDUP_CHECK_MEMORY=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m '' $(CHECKED)

# New inputs for everything that reads what strangers write; tests/fuzz says how.
fuzz: $(VENV)/.installed
	GROUNDUP_CHECK_MEMORY=1 $(BIN)/python -m tests.fuzz --minutes $(MINUTES)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pip that comes with older Pythons fails on two spellings of one extra.
$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

bench: $(VENV)/.bench
	$(BIN)/python -m bench

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
