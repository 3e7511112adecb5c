# make demo   from nothing to a report: runs/demo/report/index.html
# make test   lint, types, tests
# make docs   the pages as a site: build/docs/index.html
# make weights   trains the model that the package ships anew
# Needs Python 3.11 or newer; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo docs test test-slow lint types unit format bench weights install clean

demo: install
	$(BIN)/disc run demo
	@echo "The report: $(CURDIR)/runs/demo/report/index.html"
	@echo "The command disc is there after: source .venv/bin/activate"

# Side by side: mypy takes one core for most of a minute.
test: install
	@$(MAKE) --no-print-directory -j 2 lint types unit

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# Who does what, and in which order, is said in tests/conftest.py; processes that tests start find
# compiled code.
unit: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder

test-slow: .venv/.docs
	$(BIN)/pytest -n 2 -m slow -rP

docs: .venv/.docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs/site docs build/docs
	@echo "The site: $(CURDIR)/build/docs/index.html"

# Also writes docs/paper_map.md anew from the `Paper:` tags in the code.
format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.paper_map

# make bench: which there are; make bench NAME=...: run one
bench: install
ifdef NAME
	$(BIN)/python benchmarks/$(NAME).py
else
	@for script in $$(grep -l __main__ benchmarks/*.py); do \
		echo "make bench NAME=$$(basename $$script .py)"; \
		sed -n '1s/"""/    /gp' $$script; \
	done
endif

install: $(INSTALLED)

# Done again only when the requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); 3.11 or newer is needed: make PYTHON=..."; \
		exit 1; }
	@if command -v uv > /dev/null; then \
		uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
		UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" \
			uv pip install --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
		$(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

.venv/.docs: $(INSTALLED)
	@if command -v uv > /dev/null; then \
		UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" \
			uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[docs]'; \
	else \
		$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'; \
	fi
	@touch $@

# The weights that the package ships: some hours of one thread; stopped, the same command goes on.
weights: install
	OMP_NUM_THREADS=1 $(BIN)/disc run phantom --until graders/pixels
	rm -rf runs/shipped
	$(BIN)/disc export --run runs/phantom --out runs/shipped --dtype float16 \
		--licence Apache-2.0
	rm -rf disc/shipped
	mv runs/shipped disc/shipped

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
