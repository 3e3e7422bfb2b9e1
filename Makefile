PYTHON ?= .venv/bin/python

.PHONY: format lint test test-viewer test-fast check check-slow docs demo app bench

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .
	npm run --silent format

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()"
	npm run --silent lint

# The tests start hundreds of processes, each of which would compile the package again where the
# environment keeps Python from writing what it compiled.
test test-fast check-slow: export PYTHONDONTWRITEBYTECODE :=

# Each worker is a process with one thread of torch. One more than two cores, as browsers, servers
# and jobs are waited for; the tests themselves start many processes.
WORKERS ?= 3

test:
	$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist worksteal

# The viewer's JavaScript that needs no browser.
test-viewer:
	npm test --silent

# Without the tests that take longest: for while you work.
test-fast:
	$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not slow and not soak"

# What takes too long for each change: more kills of trainers, longer soaks, other and more examples
# of what holds for any input.
check-slow:
	$(PYTHON) -m pytest -m "soak or hypothesis" --hypothesis-profile explore --timeout 3600

# All at once: mypy keeps one core busy for a minute where it has no cache yet.
check:
	@$(MAKE) --no-print-directory --jobs 3 lint test-viewer test

# The reference of all public names, into build/docs.
docs:
	$(PYTHON) -m pdoc --output-directory build/docs cityseg

demo:
	python3 scripts/demo.py

app:
	$(PYTHON) -m cityseg app

# Pass what to measure: make bench WHAT=convert
bench:
	$(PYTHON) scripts/bench.py $(WHAT)
