# Two commands for everybody: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2

.PHONY: demo test test-long soak setup check generated lock bench-% python parts clean

# Through the environment: a file's name may hold quotes, and is no part of a command.
export SOURCE
demo: $(VENV)/.runtime  ## Set everything up and count people in a video (SOURCE=… for your own)
	@$(BIN)/appliance demo $${SOURCE:+--source "$$SOURCE"}

test: $(VENV)/.dev parts  ## Set up what the tests need and run them all
	$(PYTEST) -n $(WORKERS) -m "not long"

test-long: $(VENV)/.dev parts  ## Also the tests that take minutes
	$(PYTEST) -n $(WORKERS)

MINUTES ?= 10
soak: $(VENV)/.dev parts  ## Cameras of all kinds with random faults, for MINUTES=10
	$(BIN)/python -m tests.cameras.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

setup: $(VENV)/.dev  ## A virtual environment with everything for development

check: $(VENV)/.dev parts  ## What must be clean before a change lands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(PYTEST) -n $(WORKERS) -m "not long and not checks"

generated: $(VENV)/.dev  ## Renew what is made from the blocks: their pages, and the schema
	$(BIN)/appliance blocks --markdown > docs/blocks.md
	$(BIN)/appliance schema > workflows/workflow.schema.json

bench-%: $(VENV)/.dev  ## Measure one topic: make bench-engine, make bench-demo
	$(BIN)/python -m benchmarks.$*

# Lock files hold names, versions and hashes only: no address of any index.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --custom-compile-command "make lock"
lock: $(VENV)/.dev  ## Renew the lock files
	$(UV_COMPILE) --upgrade --group build pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) --upgrade -c requirements/runtime.txt --group dev pyproject.toml \
		-o requirements/dev.txt
	$(UV_COMPILE) --upgrade --group convert -o requirements/convert.txt

clean:  ## Remove what was built; what was fetched (.appliance) stays
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is not one of them:" \
	"make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "Python's venv is missing; this installs it: sudo apt-get install -y python3-venv" >&2; \
	exit 1; }

$(VENV)/bin/python: | python
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked dependencies (about 250 MB to fetch, once)"
	@$(PIP) --require-hashes --requirement requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing what tests and checks need"
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@touch $@

# The tests speak to a real broker and watch cameras of GStreamer's RTSP server, which runs on the
# system's own Python. The broker's own service is not used, and may be switched off.
PARTS := mosquitto gir1.2-gst-rtsp-server-1.0 python3-gi openssl postgresql mariadb-server
parts:
	@PATH="$$PATH:/usr/sbin"; command -v mosquitto >/dev/null && command -v openssl >/dev/null && \
	command -v mariadbd >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && /usr/bin/python3 -c \
	'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null && exit 0; \
	install="apt-get install -y --no-install-recommends $(PARTS)"; \
	if ! command -v apt-get >/dev/null; then \
		echo "the tests need the broker mosquitto, openssl, PostgreSQL, MariaDB, and GStreamer's RTSP" \
		"server with Python bindings: install them, then try again" >&2; exit 1; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -q && $$install; \
	elif sudo -n true 2>/dev/null; then sudo apt-get update -q && sudo $$install; \
	else echo "the tests need $(PARTS): sudo $$install" >&2; exit 1; fi
