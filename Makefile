# Every way to work on the service; each line calls one script of deploy/, which can be read alone.
# `exec` hands signals to the script itself, so that whatever stops make stops the server too.
.DEFAULT_GOAL := help
.PHONY: help setup run test check fuzz bench requirements audit clean
PORT ?= 8000

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make a fresh clone ready: packages, database, default model, secrets, users
	@exec deploy/setup.sh

run: ## Set up, decide one real case, and serve on PORT (default 8000)
	@exec deploy/run.sh "$(PORT)"

test: ## Run all tests, on SQLite and on PostgreSQL with Redis (ARGS="-k name" for some)
	@exec deploy/test.sh $(ARGS)

check: ## Check style, types, import rules, migrations and the production settings
	@exec deploy/check.sh

fuzz: ## Call every operation with what its schema allows and forbids (CASES=2000 each)
	@exec deploy/fuzz.sh

bench: ## Measure speed, with peers side by side
	@exec deploy/bench.sh $(ARGS)

requirements: ## Pin the packages anew after a change of requirements.in or requirements-dev.in
	@exec deploy/requirements.sh

audit: ## Ask for known faults of the pinned packages (needs the network)
	@exec deploy/audit.sh $(ARGS)

clean: ## Remove caches and test leftovers (the environment and var/ stay)
	@exec deploy/clean.sh
