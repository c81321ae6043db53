SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
BUILT := $(or $(CARGO_TARGET_DIR),target)/debug
ENVIRONMENT := target/test-environment
BENCH_ENVIRONMENT := target/bench-environment

.DEFAULT_GOAL := help
.PHONY: help demo bench bench-heavy check deny lint prepare test test-corpus test-heavy

help: ## Shows this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## Shows the main job on a registry and a repository of its own (ARGS=--keep goes on)
	$(CARGO) build --locked --bin repin
	$(BUILT)/repin demo $(ARGS)

lint: ## Format and lints, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings

check: lint ## What needs only Rust and git
	$(CARGO) test --locked --features failpoints --no-fail-fast

# After the cheap checks, so that a slip in the format is not found behind an installation.
test: lint deny prepare ## Everything; on Debian as root it installs by package name what it needs
	set -a; source $(ENVIRONMENT); set +a; $(CARGO) test --locked --features failpoints --no-fail-fast

test-heavy: export REPIN_HEAVY = 1
test-heavy: prepare ## What takes long: contention, histories of random events, Pulp, a million mutated files and texts
	set -a; source $(ENVIRONMENT); set +a; \
	$(CARGO) test --locked --features failpoints --test e2e contention; \
	REPIN_THROUGH_PROXY=1 $(CARGO) test --locked --features failpoints --test e2e -- pulls::release::github pulls::closing::github \
		pulls::people::github pulls::asking::github --test-threads 2; \
	$(CARGO) test --locked --features failpoints --test interop pulp; \
	$(CARGO) test --locked --features failpoints --test incremental; \
	$(CARGO) test --locked --features failpoints --test year; \
	$(CARGO) test --locked --features failpoints --test readers; \
	$(CARGO) test --locked --features failpoints --test texts; \
	$(CARGO) test --locked --features failpoints --test editing

# Optimised, for it parses some thousand files and makes some ten thousand edits.
test-corpus: export CARGO_PROFILE_DEV_OPT_LEVEL = 2
test-corpus: prepare ## Every image of public repositories edited and searched for: CORPUS=<folder of checked-out repositories>
	@test -n "$(CORPUS)" || { echo "name the folder: make test-corpus CORPUS=<folder of checked-out repositories>"; exit 2; }
	bash tests/corpus/install.sh $(ENVIRONMENT)
	set -a; source $(ENVIRONMENT); set +a; CORPUS="$(abspath $(CORPUS))" $(CARGO) test --locked --features failpoints --test corpus

bench: ## Wall, CPU, memory, requests and round trips in a release build, each beside its limit
	$(CARGO) bench --locked --bench bench

bench-heavy: ## 300 pull requests, beside Renovate where it can be installed
	bash tests/bench/install.sh $(BENCH_ENVIRONMENT)
	set -a; source $(BENCH_ENVIRONMENT); set +a; $(CARGO) bench --locked --bench bench pulls renovate

deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny check; \
	else \
		echo "left out: cargo deny check (cargo-deny is not installed; its bans are held by tests/supply_chain.rs)"; \
	fi

prepare:
	bash tests/install/prepare.sh $(ENVIRONMENT)
