# `make demo` and `make test` set up everything they need in .venv, and leave the system alone.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test clean

demo: $(VENV)/requirements.installed
	$(RUN) main.py MNIST conv BrainProp -s --epochs 5 --output-dir results

test: $(VENV)/requirements-dev.installed
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m pytest --numprocesses auto --dist worksteal

clean:
	rm -rf $(VENV) build site *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Also installs the package itself, so that `import brainprop` works from any folder.
$(VENV)/%.installed: %.txt $(wildcard requirements*.txt) pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $< -e .
	touch $@
