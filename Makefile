# Each target first installs what is missing into .venv. Nothing outside the checkout changes.
# Options of `manage.py up` go into ARGS: make demo ARGS="--port 8001"

VENV := .venv
RUN := $(VENV)/bin/python
# pip prints errors only.
INSTALL := $(RUN) -m pip install --quiet --quiet --require-hashes
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo up test test-postgres check audit format lock rooms page-texts

# An interrupted installation, or one whose Python is gone, starts again: half of a package can look complete.
ifneq ($(wildcard $(VENV)/.installing)$(shell $(RUN) -c "" 2>/dev/null || echo broken),)
$(shell rm -f $(VENV)/.python)
endif

demo: $(VENV)/.runtime ## run everything, with a sandbox, sample data and a first job
	@exec $(RUN) manage.py up --demo $(ARGS)

up: $(VENV)/.runtime ## run everything, for real accounts
	@exec $(RUN) manage.py up $(ARGS)

# Many tests wait for processes they have started, so four at once keep two cores busy.
# Without its cache pytest would compile every test again in each of the four.
PYTEST := $(RUN) -m pytest -n 4
test test-postgres: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.dev ## run all tests, including those in a browser
	@$(RUN) tools/browser.py
	$(PYTEST) $(TESTS)

test-postgres: $(VENV)/.dev ## test engine, pages and processes on PostgreSQL and Redis
	$(RUN) tools/servers.py -- $(PYTEST) $(or $(TESTS),$(ON_SERVERS))

# test_budgets.py opens every page. The other tests of pages would take minutes more, and those
# of what Zendesk may respond concern no database.
ON_SERVERS := tests/jobs tests/connections tests/web/test_budgets.py \
	$(addprefix tests/acceptance/test_,two_hosts.py faults_of_ours.py faults_of_zendesk.py) \
	--ignore tests/jobs/test_account_assumptions.py

check: $(VENV)/.dev ## run the static checks
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint templates --lint --quiet
	$(RUN) -m tools.check_templates
	$(RUN) -m tools.rooms --check
	$(RUN) -m tools.check_words
	$(RUN) -m tools.check_tests
	$(RUN) tools/deploy_check.py
	$(RUN) manage.py makemigrations --check --dry-run

# It needs nothing but Python and PyPI.
audit: $(VENV)/.python ## compare the locked versions with the advisories at PyPI
	@$(RUN) tools/audit.py

format: $(VENV)/.dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

rooms: $(VENV)/.dev ## draw docs/rooms.svg from the imports in the code
	$(RUN) -m tools.rooms

page-texts: $(VENV)/.dev ## print every sentence of the pages, with file and line
	@$(RUN) -m tools.page_texts

lock: $(VENV)/.dev ## update requirements*.lock from pyproject.toml, with hashes
	$(RUN) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile $(LOCK) --extra postgres -o requirements.lock
	$(VENV)/bin/uv pip compile $(LOCK) --extra postgres --group dev -c requirements.lock -o requirements-dev.lock

LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet pyproject.toml

$(VENV)/.python:
	@sh tools/venv.sh $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.lock
	@echo "Installing Jobs UI into $(VENV) ..."
	@touch $(VENV)/.installing
	@$(INSTALL) -r requirements.lock
	@rm $(VENV)/.installing
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the development tools into $(VENV) ..."
	@touch $(VENV)/.installing
	@$(INSTALL) -r requirements-dev.lock
	@rm $(VENV)/.installing
	@touch $@
