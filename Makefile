# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-peers .venv-automl
CONFIG ?= configs/online_retail.yaml
# A configuration of one's own goes with an input of one's own.
INPUT ?= $(if $(SCORE_CONFIG),,data/online_retail_ii.parquet)
OUTPUT ?= out/scores.csv
MODEL ?= champion
# The registry that champion is looked up in follows the configuration, where one is given.
SCORE_CONFIG = $(if $(filter command line environment,$(origin CONFIG)),--config '$(CONFIG)',)

export OMP_WAIT_POLICY ?= PASSIVE
export OPENBLAS_THREAD_TIMEOUT ?= 4
export MLFLOW_DISABLE_TELEMETRY ?= true

.DEFAULT_GOAL := help
.PHONY: help setup train test fuzz check lint wheel format backtest experiments score dashboard benchmark ablation peers docs ui site constraints clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "Variables: CONFIG=$(CONFIG) INPUT=... OUTPUT=... MODEL=champion"

setup: $(STAMP) ## Create the environment in .venv

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Use make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: setup ## Train on CONFIG, test out of time, explain, log to MLflow
	$(BIN)/clvml train --config '$(CONFIG)'

score: setup ## Score the customers of INPUT into OUTPUT with MODEL
	@test -n '$(INPUT)' || { echo "Say which customers: make score CONFIG=$(CONFIG) INPUT=orders.csv"; exit 2; }
	@mkdir -p "$$(dirname '$(OUTPUT)')"
	$(BIN)/clvml score '$(INPUT)' --output '$(OUTPUT)' --model '$(MODEL)' $(SCORE_CONFIG)

backtest: setup ## Compare the model with the baselines at several past dates
	$(BIN)/clvml backtest --config '$(CONFIG)'

experiments: setup ## Run what is not finished of experiments/*.yaml, and write the results beside them
	@$(BIN)/python examples/customer_countries.py
	@for file in experiments/*.yaml; do echo "== $$file"; $(BIN)/clvml experiment "$$file" || exit $$?; done

dashboard: setup ## Look through the customers of OUTPUT in a browser
	$(BIN)/clvml dashboard --scores '$(OUTPUT)'

ui: setup ## Open the MLflow UI on the local store
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

test: setup ## Run the tests, a file at a time on each core
	$(BIN)/python -m pytest -n auto --dist loadfile

fuzz: setup ## Alter a model at random, 500 times each file, and see that nothing breaks or is believed
	$(BIN)/python -m tests.scores.fuzzing --cases 500

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(MAKE) --no-print-directory site

check: lint test ## Lint, types, import layers, generated docs, tests: what CI runs

wheel: ## Build the wheel, and run it in an environment of its own
	.ci/wheel

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Re-make the pages that are generated from the code
	$(BIN)/python docs/generate.py

site: setup ## Build the documentation into out/site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmark: setup peers ## Re-make docs/benchmarks.md: accuracy beside other packages, and speed
	$(BIN)/python benchmarks/report.py

ablation: setup peers ## Re-make the table of docs/model.md: what each part of the forecast brings
	$(BIN)/python benchmarks/ablation.py

peers: $(PEERS:%=%/.installed) ## Create the environments of the packages that are benchmarked beside clvml

.venv-peers/.installed: benchmarks/peers/requirements.txt
.venv-automl/.installed: benchmarks/peers/requirements-automl.txt

$(PEERS:%=%/.installed):
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

constraints: setup ## Pin the newest versions that fit
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	  --no-header --all-extras pyproject.toml --output-file constraints.txt

clean: ## Remove the environment and what runs left behind
	rm -rf $(VENV) $(PEERS) out mlflow.db optuna.db mlartifacts .pytest_cache .hypothesis .mypy_cache .ruff_cache \
	  .import_linter_cache
