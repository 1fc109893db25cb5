# `make` lists what there is. Everything runs in .venv/, which the two set-up targets below make and keep current.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
BIN := .venv/bin
N ?= 300
# A test database and a set of processes for each core and one more, since many tests wait; up to four. Which tests stay
# together, and which begin, is for tests/side_by_side.py to say.
SIDE_BY_SIDE := -n $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1))) --maxprocesses 4 --no-loadscope-reorder --dist loadfile

.PHONY: help demo quick test check faults bench erp screenshots lock clean-data runtime development find-python \
	check-lint check-types check-layers check-security check-secrets check-templates check-django check-migrations

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up: the only place that makes the environment ---------------------------------------------------------------

runtime development:
	@for name in python3 python3.11 python3.12 python3.13 python3.14; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$name" tools/environment.py $@; \
		fi; \
	done; \
	echo 'No Python 3.11 or newer found. On Debian 12 and Ubuntu 24.04, as root: apt install python3 python3-venv' >&2; \
	exit 2

# --- run and test ----------------------------------------------------------------------------------------------------

demo: runtime  ## set up and run everything: shop, admin, workers, sandbox providers, receivers; Ctrl-C stops
	@exec $(PY) manage.py demo

quick: development  ## the tests to run all day: what takes long or needs a browser is left to `make test`
	$(BIN)/pytest $(SIDE_BY_SIDE)

test: development  ## set up and run the tests, those in the browser last
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not (browser or faults or bench or erp)"
	@if $(PY) tools/chromium.py; then \
		echo '$(BIN)/pytest $(SIDE_BY_SIDE) -m browser tests/browser'; \
		exec $(BIN)/pytest $(SIDE_BY_SIDE) -m browser tests/browser; \
	fi

faults: development  ## random histories with kills; N=10000 for the full run
	FAULT_HISTORIES=$(N) $(BIN)/pytest -m faults
	$(BIN)/pytest -m "slow and not faults" tests/faults

bench: development  ## measure: webhook intake against a null view, latencies
	$(BIN)/pytest -m bench -s

erp: development  ## a paid order into a real Tryton, which is installed under var/erp/ the first time
	$(BIN)/pytest -m erp -s

screenshots: development  ## every admin screen and shop state, wide and narrow, light and dark, into screenshots/
	SCREENSHOTS=screenshots $(BIN)/pytest -m browser tests/browser/test_admin_screens.py tests/browser/test_shop_pages.py

# --- check -----------------------------------------------------------------------------------------------------------

check: check-lint check-types check-layers check-security check-secrets check-templates check-migrations check-django  ## lint, types, layers, secrets, Django's own checks

check-lint: development
	$(BIN)/ruff check --output-format concise
	$(BIN)/ruff format --check

check-types: development
	$(BIN)/mypy

check-layers: development
	$(BIN)/lint-imports

check-security: development
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive config integrations orders payments tools manage.py

check-secrets: development
	$(PY) tools/scan_secrets.py

check-templates: development
	$(BIN)/djlint --lint --quiet templates

# 0009_breakers drops two columns that no released version has read; it says so itself. 0034_refunds adds a unique
# constraint on a column that it has just added, which is empty; 0043_our_steps one on operations of which there are no rows;
# 0044_bank_line_corrected two in the place of a stricter one.
check-migrations: development
	$(PY) manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tools.lint_settings $(PY) manage.py lintmigrations --ignore-name 0009_breakers 0034_refunds 0043_our_steps 0044_bank_line_corrected 0046_bank_match_undoing --include-apps integrations orders payments --no-cache --quiet ok ignore

check-django: development
	$(PY) manage.py check --fail-level WARNING
	$(PY) tools/check_deploy.py
	$(PY) manage.py draw_states --check

# --- upkeep ----------------------------------------------------------------------------------------------------------

lock: development  ## compile requirements*.txt from requirements*.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet requirements-dev.in -o requirements-dev.txt

clean-data: runtime  ## delete the embedded database and var/
	@$(PY) tools/clean_data.py
