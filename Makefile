# `make demo` and `make test` set up what they need and then do what they say.
# The machine needs python3 (3.11 or newer, with venv and pip), make, and node for `make check`.

PYTHON ?= python3
VENV := .venv
BENCH := .venv-bench
BENCH_READY := $(BENCH)/.ready
BIN := $(VENV)/bin
# Each of the three has a file of its own: what the demo needs, what tests need, what `make check` needs.
READY := $(VENV)/.ready
CHECK_READY := $(VENV)/.ready-check
# A clone that has the environment of the tests needs no second one for the demo.
DEMO_VENV := $(if $(wildcard $(READY)),$(VENV),.venv-demo)
DEMO_READY := $(DEMO_VENV)/.ready
# Foreign WebSocket servers and Pyodide for tests/integration/peers; their tests are skipped where npm is missing, except in CI.
PEERS := tests/integration/peers
NODE_PEERS := $(PEERS)/node_modules/.ready
# Python packages for Pyodide: wheels that are pure, or made for WebAssembly. The documentation's playground has them too.
PYODIDE_PACKAGES := $(PEERS)/node_modules/.pyodide-packages
# Toolkits that only tests of their loops need. GTK and wxPython have no wheels; `.ci/run` installs Debian's packages.
TOOLKITS := kivy nicegui ipykernel ipywidgets anywidget customtkinter pygame-ce dearpygui prompt_toolkit urwid
DEMO ?=
# Two processes take the test files in turn. A file stays in one process, because its tests share servers.
PARALLEL := --numprocesses 2 --dist loadfile
PIP := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

define new_venv
	$(PYTHON) -c 'import sys; sys.exit("reactive-ws needs Python 3.11 or newer; set PYTHON=/path/to/it" if sys.version_info < (3, 11) else 0)'
	@echo 'setting up $(1)'
	$(PYTHON) -m venv --clear $(1)
endef

.PHONY: docs release release-requirements sbom demo two-nodes test test-deep coverage check format screenshots bench bench-quick bench-deep clean setup

setup: $(READY) $(CHECK_READY) $(NODE_PEERS)

.venv-demo/.ready: pyproject.toml constraints.txt
	$(call new_venv,.venv-demo)
	.venv-demo/bin/python $(PIP) --editable '.[textual]'
	touch $@

$(READY): pyproject.toml constraints.txt
	$(call new_venv,$(VENV))
	$(BIN)/python $(PIP) --editable '.[testing,fast,qt,textual,postgres,opentelemetry,prometheus]' jsonschema mypy pyright pyrsistent pytest-asyncio pytest-xdist django fastapi litestar opentelemetry-sdk quart starlette trustme uvicorn PyQt6 qasync \
		$(TOOLKITS)
	touch $@

$(CHECK_READY): $(READY)
	$(BIN)/python $(PIP) coverage ruff
	touch $@

$(NODE_PEERS): $(PEERS)/package.json $(PEERS)/package-lock.json $(PEERS)/pyodide-packages.txt constraints.txt
	@if command -v npm >/dev/null; then \
		npm ci --prefix $(PEERS) --no-audit --no-fund --silent && \
		$(PYTHON) -m venv --clear $(PEERS)/node_modules/.pip && \
		$(PEERS)/node_modules/.pip/bin/python $(PIP) --requirement $(PEERS)/pyodide-packages.txt --no-deps --only-binary :all: \
			--python-version 3.14 --platform pyemscripten_2026_0_wasm32 --target $(PYODIDE_PACKAGES) && \
		rm -rf $(PEERS)/node_modules/.pip && touch $@; \
	else \
		echo "npm is missing: the tests with servers and Pyodide from npm will be skipped"; \
	fi

demo: $(DEMO_READY)
	$(DEMO_VENV)/bin/reactive-ws demo $(DEMO)

# The todo example on two nodes behind haproxy, on a PostgreSQL of its own. Nodes, a client and the database die while four clients
# write. The last lines say how many writes were lost, doubled or seen in another order.
two-nodes: $(READY)
	$(BIN)/python -m pytest --quiet --capture=no -rs tests/integration/test_todo.py -k nothing_is_lost_or_doubled

test: $(READY) $(NODE_PEERS)
	$(BIN)/python -m pytest $(PARALLEL) -m "not deep"

test-deep: $(READY) $(NODE_PEERS) coverage
	REACTIVE_WS_PROFILE=deep $(BIN)/python -m pytest $(PARALLEL)
	$(BIN)/python tests/mutation/mutate.py

# Branch coverage by all tests that run in one process; below 95 % it fails. What is left out and why stands in pyproject.toml.
# Tests that measure time are not for a traced program, nor is the soak: its signal handlers interrupt the tracer while it holds its
# lock. Those that start programs of ours would add nothing: the programs are not traced.
UNTRACED := tests/unit/test_soak.py \
	tests/unit/test_threads.py::test_a_write_of_the_ui_in_a_flood_takes_less_than_a_millisecond \
	tests/unit/testing/test_network.py::test_ten_connections_that_are_reset_with_a_minute_between_them_take_no_time \
	tests/property/test_machines.py::test_a_service_without_faults_passes_at_speed

coverage: $(CHECK_READY)
	$(BIN)/python -m coverage run --source reactive_ws,stores -m pytest -m "not deep" \
		tests/unit tests/property tests/conformance tests/integration tests/faults \
		$(addprefix --deselect ,$(UNTRACED)) \
		$(addprefix --ignore tests/integration/,test_benchmarks.py test_examples.py test_install.py)
	$(BIN)/python -m coverage report --skip-covered --show-missing --fail-under 95 --include 'reactive_ws/*'
	$(BIN)/python -m coverage report --skip-covered --show-missing --fail-under 95 --include 'stores/*'

check: $(CHECK_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python tools/language.py

format: $(CHECK_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Builds and checks the distributions, and tries the wheel on every supported Python. Dry by default; `make release RELEASE="--url https://... --tag"` creates the tag.
RELEASE ?=

# Each file that is installed there has a hash in tools/release-requirements.txt.
.venv-release/.ready: tools/release-requirements.txt
	$(call new_venv,.venv-release)
	.venv-release/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement tools/release-requirements.txt
	touch $@

# Writes the pinned tools of a release again, with the newest versions and their hashes.
release-requirements:
	$(call new_venv,.venv-pins)
	.venv-pins/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	printf 'build\ncyclonedx-bom\nsetuptools>=77\ntwine\n' | .venv-pins/bin/pip-compile --quiet --upgrade --generate-hashes \
		--no-emit-index-url --no-emit-trusted-host --no-emit-options --no-header --no-annotate --strip-extras \
		--allow-unsafe --output-file .venv-pins/pins.txt -
	(sed -n 1p tools/release-requirements.txt; cat .venv-pins/pins.txt) > .venv-pins/new.txt
	mv .venv-pins/new.txt tools/release-requirements.txt
	rm -rf .venv-pins

# Lists the package and what it needs at run time, with versions and licenses, as CycloneDX JSON in dist/.
sbom: .venv-release/.ready
	$(PYTHON) -m venv --clear --without-pip .venv-sbom
	.venv-release/bin/python -m pip --python .venv-sbom/bin/python install --quiet --disable-pip-version-check \
		--constraint constraints.txt .
	mkdir -p dist
	.venv-release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
		--output-file dist/reactive-ws.cdx.json .venv-sbom/bin/python
	rm -rf .venv-sbom

release: .venv-release/.ready
	.venv-release/bin/python tools/release.py $(RELEASE)

# The site of the documentation, in build/site, with its links checked. The packages are read, not imported.
.venv-docs/.ready: mkdocs.yml
	$(call new_venv,.venv-docs)
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check zensical==0.0.73 mkdocstrings-python==2.0.11
	touch $@

docs: .venv-docs/.ready $(NODE_PEERS)
	.venv-docs/bin/python tools/site.py

screenshots: $(READY)
	xvfb-run -a -s "-screen 0 1280x900x24" env QT_QPA_PLATFORM=offscreen GSK_RENDERER=cairo $(BIN)/python tests/gui/screenshots.py
	xvfb-run -a -s "-screen 0 2100x1500x24" env QT_QPA_PLATFORM=offscreen $(BIN)/python tests/gui/status_pictures.py
	PYTHONPATH=tests:. $(BIN)/python tests/gui/devtools_pictures.py
	$(MAKE) docs && PYTHONPATH=tests:. $(BIN)/python tests/gui/site_pictures.py

# Everything in about 20 minutes, docs/performance.md and its pictures included. `bench-quick` shows that all of it works, and fails
# when a count of operations or a ratio to a peer is worse than in benchmarks/baseline.json.
# `bench-deep` soaks for ten minutes instead of two.
bench: $(BENCH_READY)
	$(BENCH)/bin/python benchmarks/run.py

bench-quick: $(BENCH_READY)
	$(BENCH)/bin/python benchmarks/run.py --quick

bench-deep: $(BENCH_READY)
	$(BENCH)/bin/python benchmarks/run.py --deep

$(BENCH_READY): pyproject.toml constraints.txt benchmarks/peers.txt benchmarks/peers_node/package-lock.json
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--requirement benchmarks/peers.txt --editable '.[fast,qt,postgres]'
	cd benchmarks/peers_node && npm ci --silent
	touch $@

clean:
	rm -rf $(VENV) .venv-demo .venv-release .venv-docs $(BENCH) benchmarks/peers_node/node_modules $(PEERS)/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info
	find reactive_ws stores tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
