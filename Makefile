PYTHON ?= .venv/bin/python

.PHONY: format lint test check demo app bench

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()"

test:
	$(PYTHON) -m pytest

check: lint test

demo:
	python3 scripts/demo.py

app:
	$(PYTHON) -m streamlit run app.py

# Pass what to measure: make bench WHAT=convert
bench:
	$(PYTHON) scripts/bench.py $(WHAT)
