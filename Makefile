# What people and CI type. Everything is cargo underneath; scripts/setup.sh says what a machine needs.
.DEFAULT_GOAL := build
.PHONY: setup build test demo bench reference lint fmt

# One profile (dev) for all of it, so that nothing is compiled twice.
CARGO ?= cargo

setup:
	scripts/setup.sh

# All targets, also where one would do: cargo then compiles each dependency once, with the features that all of them need.
build: setup
	$(CARGO) build --locked --workspace --all-targets

# The long one comes last, so that its summary is what stands at the end.
test: setup lint
	$(CARGO) test --locked --workspace --doc
	cd plugins && $(CARGO) test --locked --workspace
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else \
		$(CARGO) test --locked --workspace --no-fail-fast --lib --bins --tests; \
	fi

# A backup, a disaster and a restore, on a server of its own.
demo: build
	$${CARGO_TARGET_DIR:-target}/debug/orchestrator demo

# Side by side with pg_dump and pg_restore; takes an hour. `scripts/bench.py --help` for less.
bench: build
	$(CARGO) build --locked --release --workspace --bin orchestrator
	$${CARGO_TARGET_DIR:-target}/debug/builder $${CARGO_TARGET_DIR:-target}/plugins tests/plugins/idle
	scripts/bench.py --program $${CARGO_TARGET_DIR:-target}/release/orchestrator --idle $${CARGO_TARGET_DIR:-target}/plugins/idle.wasm

# The pages that are generated, from the program and from the contract; tests hold them against both.
reference: build
	UPDATE_REFERENCE=1 $(CARGO) test --locked --workspace --lib reference

lint: setup
	$(CARGO) fmt --all --check
	cd plugins && $(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	cd plugins && $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; fi

fmt:
	$(CARGO) fmt --all
	cd plugins && $(CARGO) fmt --all
