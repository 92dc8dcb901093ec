# The door to Jobs UI. Each target sets up what is missing first, in .venv, and touches nothing outside the checkout.
# What `manage.py up` is to be told besides: make demo ARGS="--port 8001"

VENV := .venv
RUN := $(VENV)/bin/python
# Only errors: what else pip says is of no use here.
INSTALL := $(RUN) -m pip install --quiet --quiet --require-hashes
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo up test test-postgres check format lock rooms page-texts

# An install that was interrupted, or whose Python is gone, is begun anew: half of a package can look like all of it.
ifneq ($(wildcard $(VENV)/.installing)$(shell $(RUN) -c "" 2>/dev/null || echo broken),)
$(shell rm -f $(VENV)/.python)
endif

demo: $(VENV)/.runtime ## everything, with a sandbox, sample data and a first job
	@exec $(RUN) manage.py up --demo $(ARGS)

up: $(VENV)/.runtime ## everything, for real accounts
	@exec $(RUN) manage.py up $(ARGS)

# Many tests wait for processes they have started, so four at once keep two cores busy.
# Without its cache pytest would compile every test again in each of the four.
PYTEST := $(RUN) -m pytest -n 4
test test-postgres: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.dev ## every test, the browser's among them
	@$(RUN) tools/browser.py
	$(PYTEST) $(TESTS)

test-postgres: $(VENV)/.dev ## engine, pages and real processes, on PostgreSQL and Redis
	$(RUN) tools/servers.py -- $(PYTEST) $(or $(TESTS),$(ON_SERVERS))

ON_SERVERS := tests/jobs tests/connections tests/web \
	$(addprefix tests/acceptance/test_,two_hosts.py faults_of_ours.py faults_of_zendesk.py)

check: $(VENV)/.dev ## what CI checks beside the tests
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint templates --lint --quiet
	$(RUN) -m tools.rooms --check
	$(RUN) -m tools.check_tests
	$(RUN) tools/deploy_check.py
	$(RUN) manage.py makemigrations --check --dry-run

format: $(VENV)/.dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

rooms: $(VENV)/.dev ## draws docs/rooms.svg from the imports in the code
	$(RUN) -m tools.rooms

page-texts: $(VENV)/.dev ## prints every sentence of the pages, with file and line
	@$(RUN) -m tools.page_texts

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
	@touch $(VENV)/.installing
	@$(INSTALL) -r requirements.lock
	@rm $(VENV)/.installing
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the tools for tests into $(VENV) ..."
	@touch $(VENV)/.installing
	@$(INSTALL) -r requirements-dev.lock
	@rm $(VENV)/.installing
	@touch $@
