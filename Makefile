# Two commands matter: `make serve` and `make test`. `make` lists the rest.
.DEFAULT_GOAL := help
# The parts of `make check`, in this order. .pre-commit-config.yaml has a hook for each.
CHECKS := check-format check-lint check-types check-imports check-strings check-queries check-templates check-scripts check-workflows
.PHONY: help install serve azurite drill test test-serving test-platform test-e2e test-training test-browser check $(CHECKS) format screenshots bench package sbom snapshots cost lock train mlflow
.SILENT:

PYTHON := .venv/bin/python
PYTEST = $(PYTHON) -m pytest -o cache_dir=.pytest_cache/$@
FAMILY := transformer
SERVED := function_app.py host.json requirements.txt LICENSE NOTICE tools/package-lock.json \
	$(wildcard functions/*.* functions/*/*.* sentiment/*.* feedback/*.py cloud/*.py models/*.json models/*/* web/*) \
	$(wildcard models models/*/ web) # folders: their time changes when a file in them is deleted

help:  # list the commands
	sed -n 's/^\([a-z0-9-]*\):.*# /make \1\t/p' Makefile

install:  # install what the other commands need, and repair a broken installation
	sh tools/install.sh train
	touch .venv/dev .venv/train

serve: .venv/dev  # run everything on this machine: http://127.0.0.1:7071 (PORT= changes it)
	exec $(PYTHON) -m devhost

azurite: .venv/dev  # start an emulator of Azure Storage for `func start`; `make serve` brings its own
	umask 077 && exec $$($(PYTHON) -c "from tools.node import node; print(node())") --no-deprecation \
		tools/node_modules/azurite/dist/src/azurite.js --location .local/func --skipApiVersionCheck --disableTelemetry

drill: .venv/dev  # raise two alerts: three predictions are reported wrong; the app is killed
	$(PYTHON) -m devhost.drill

# The longest groups come first, so that the last two end together. Three at a time take longer on two cores.
test: .venv/train  # run every test: the five groups below, two at a time
	$(MAKE) --no-print-directory --keep-going --output-sync --jobs=2 --old-file=.venv/dev --old-file=.venv/train \
		test-e2e test-training test-platform test-browser test-serving

test-serving: .venv/dev  # test what is deployed, in a minute, without TensorFlow and without a browser
	$(PYTEST) -p tests.support.serving_only tests/sentiment tests/feedback tests/cloud tests/functions \
		tests/contract tests/web

test-platform: .venv/dev  # test infra, the local host and the documents
	$(PYTEST) -p tests.support.serving_only tests/infra tests/devhost tests/tools tests/docs

test-e2e: .venv/dev  # test the whole app in its own processes, and the package
	$(PYTEST) -p tests.support.serving_only tests/e2e

test-training: .venv/train  # test training, and that training and serving agree
	$(PYTEST) tests/training tests/parity

test-browser: .venv/train  # test the page in Chromium
	$(PYTEST) tests/browser

check: $(CHECKS)  # run the linters

check-format: .venv/train
	.venv/bin/ruff format --check --quiet . || { echo "run: make format"; exit 1; }

check-lint: .venv/train
	.venv/bin/ruff check .

check-types: .venv/train
	.venv/bin/mypy

check-imports: .venv/train
	.venv/bin/lint-imports --no-cache

check-strings: .venv/train
	$(PYTHON) -m tools.lint_strings

check-queries: .venv/train
	$(PYTHON) -m infra.lint_queries

check-templates: .venv/train
	$(PYTHON) -m infra.bicep

check-scripts: .venv/train
	.venv/bin/shellcheck .ci/run */*.sh

check-workflows: .venv/train
	.venv/bin/actionlint -shellcheck .venv/bin/shellcheck
	.venv/bin/zizmor --offline --quiet .

format: .venv/train  # format the code and fix what the linters can fix
	.venv/bin/ruff check --fix --quiet .
	.venv/bin/ruff format .

screenshots: .venv/train  # take screenshots of every state of the page, into build/screenshots and for the README
	$(PYTHON) -m pytest tests/browser/screenshots.py

bench: .venv/train build/buzzguard.zip  # measure the app; writes benchmarks/results/serving.json
	$(PYTHON) -m benchmarks.serving

package: build/buzzguard.zip  # build the zip that is deployed

sbom: build/buzzguard.cdx.json  # list what the zip consists of, as CycloneDX

snapshots: .venv/dev  # write the predicted deployments that the tests compare with; needs bicep
	$(PYTHON) -m infra.bicep snapshots

cost: .venv/dev  # compute what CALLS per month cost in Azure
	$(PYTHON) -m infra.cost $(CALLS)

train: .venv/train  # train your own model on DATA=a file of labelled tweets (FAMILY=logreg is faster)
	$(PYTHON) -m training prepare $(DATA) --out .local/yours --holdout 0.1
	$(PYTHON) -m training train --family $(FAMILY) --data .local/yours >.local/yours/run
	$(PYTHON) -m training export $$(cat .local/yours/run) --data .local/yours --name yours
	$(PYTHON) -m training promote --data .local/yours --models .local/models
	echo "serve it: MODEL=$(CURDIR)/.local/models/yours make serve"

mlflow: .venv/train  # show all training runs: http://127.0.0.1:5000
	.venv/bin/mlflow ui --backend-store-uri sqlite:///.local/mlflow.db

lock: .venv/dev  # resolve the dependencies in pyproject.toml into requirements*.txt
	sh tools/lock.sh

build/buzzguard.zip: $(SERVED) infra/package.py | .venv/dev
	$(PYTHON) -m infra.package $@

build/buzzguard.cdx.json: build/buzzguard.zip infra/sbom.py
	$(PYTHON) -m infra.sbom $< $@

build/azure: build/buzzguard.zip  # what azd deploys; without a .funcignore azd would leave out bytecode
	rm -rf $@
	$(PYTHON) -m zipfile -e $< $@
	echo local.settings.json >$@/.funcignore

.venv/dev .venv/train: .venv/%: tools/requirements-%.txt tools/requirements-uv.txt tools/package-lock.json tools/install.sh .python-version
	sh tools/install.sh $*
	touch $@
