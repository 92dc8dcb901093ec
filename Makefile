# The door to Jobs UI. Each target sets up what is missing first, in .venv, and touches nothing outside the checkout.

VENV := .venv
RUN := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo up test check format lock

demo: $(VENV)/.runtime ## everything, with a sandbox, sample data and a first job
	@exec $(RUN) manage.py up --demo

up: $(VENV)/.runtime ## everything, for real accounts
	@exec $(RUN) manage.py up

test: $(VENV)/.dev ## every test, the browser's among them
	@$(RUN) tools/browser.py
	$(RUN) -m pytest -n 2 $(TESTS)

check: $(VENV)/.dev ## what CI checks beside the tests
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint templates --lint --quiet
	$(RUN) tools/deploy_check.py
	$(RUN) manage.py makemigrations --check --dry-run

format: $(VENV)/.dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

lock: $(VENV)/.dev ## requirements*.lock from pyproject.toml: hashes, no addresses
	$(RUN) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile $(LOCK) --extra postgres -o requirements.lock
	$(VENV)/bin/uv pip compile $(LOCK) --extra postgres --group dev -c requirements.lock -o requirements-dev.lock

LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet pyproject.toml

$(VENV)/.python:
	@sh tools/venv.sh $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.lock
	@echo "Installing what Jobs UI needs into $(VENV) ..."
	@$(RUN) -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the tools for tests into $(VENV) ..."
	@$(RUN) -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
