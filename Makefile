.DEFAULT_GOAL := help
.PHONY: help setup demo up check fix test test-unit test-simulation test-integration test-e2e bench chaos soak build

# Node 24 comes with the development dependencies, whatever the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

VITEST = vitest run --config test/vitest.config.ts $(VITEST_FLAGS)
STAMP = node_modules/.posthorn-setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install what the other targets need (they do it by themselves)

$(STAMP): package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed and is not installed (it comes with Node.js: https://nodejs.org)" >&2; exit 1; }
	npm ci --no-audit --no-fund
	@# Where npm is told to run no install scripts, the one of Node itself is still needed.
	@test -x node_modules/.bin/node || npm rebuild node --ignore-scripts=false
	@touch $@

demo: setup ## start everything, send events of every type and watch them arrive (ONCE=1: end by itself)
	@exec ./posthorn up --ephemeral --demo $(if $(ONCE),--once)

up: setup ## start everything and keep it running
	@exec ./posthorn up

check: setup ## format, lint, types, unused code, unit tests: no servers, seconds
	@npm run --silent check

fix: setup ## repair format and what the linter can repair
	@npm run --silent fix

test: setup ## all tests, against real servers started for them
	@$(VITEST)

test-unit: setup ## unit tests
	@$(VITEST) --project unit

test-simulation: setup ## random scenarios with faults over models, in virtual time (SIM_FROM=1 SIM_COUNT=10000, SIM_SEED=1)
	@$(VITEST) --project simulation

test-integration: setup ## each adapter against the real server
	@$(VITEST) --project integration

test-e2e: setup ## the product as a whole, from outside
	@$(VITEST) --project e2e

bench: setup ## measure throughput and latency on this machine
	@exec ./posthorn bench

chaos: setup ## inject faults and prove that nothing is lost (SIZE=ci|full|nightly, ROWS=C1,C2, SEED=1)
	@exec ./posthorn chaos --size $(or $(SIZE),full) $(if $(ROWS),--rows $(ROWS)) $(if $(SEED),--seed $(SEED)) $(if $(LOGS),--logs $(LOGS))

soak: setup ## a long run with a random fault every minute (MINUTES=30)
	@exec ./posthorn chaos --soak $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(if $(LOGS),--logs $(LOGS))

build: setup ## JavaScript and types in dist/
	@npm run --silent build
