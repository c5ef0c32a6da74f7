# `make demo` and `make test` install what a fresh Debian or Ubuntu with Rust lacks.
#
# All but bench share cargo's dev profile (see Cargo.toml), so that dependencies are
# compiled once: cargo shares nothing between profiles. build and install compile our
# own packages once more, optimised; bench uses the bench profile and compiles everything.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo test build install lint bench

# In a shell that is older than the Rust installation, PATH lacks cargo.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Our own packages as in a release; dependencies keep their settings.
OPTIMISED := CARGO_PROFILE_DEV_OPT_LEVEL=3 CARGO_PROFILE_DEV_DEBUG=0 \
	CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false
# The demo does not wait for what it does not need: tables, the page, brokers, stores.
LEAN := -p l3net --no-default-features --features gst
LIB_DIR = $(DESTDIR)$(PREFIX)/lib/l3net
# Three objects, one of which makes a sound; half-way the sound is swapped for that
# of something else.
SCENE := --objects 3 --seconds 10 --swap-at 5 --split test --seed 3

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## install missing Debian packages and libtorch (CUDA=1: also for an NVIDIA GPU)
	@scripts/setup.sh $(if $(filter-out 0,$(CUDA)),cuda)

setup-tests:
	@scripts/setup.sh tests

demo: setup ## generate a scene and analyse it: table, heatmaps, overlay video
	@cargo build $(LEAN)
	@rm -rf demo && mkdir -p demo
	@cargo run --quiet $(LEAN) -- synth -o demo/scene $(SCENE) --quiet
	@cargo run --quiet $(LEAN) -- batch demo/scene -o demo/results.jsonl \
		--heatmaps demo/heatmaps --table
	@cargo run --quiet $(LEAN) -- batch demo/scene -o demo/overlay.jsonl --hop 0.2 \
		--overlay demo/overlay.mkv --quiet
	@printf '%s\n' "" \
		"Three objects, one of which makes a sound; after 5 seconds the sound is swapped:" \
		"  demo/scene/          the scene, and a JSON file with its ground truth" \
		"  demo/overlay.mkv     the scene with heatmap and score drawn in, for any player" \
		"  demo/heatmaps/       two pictures a second: the frame and its spectrogram" \
		"  demo/results.jsonl   one JSON object a line; README.md explains the fields"

test: setup-tests ## run all tests
	@cargo build --examples
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run; else cargo test --lib --bins --tests; fi

build: setup ## build the optimised binary
	@$(OPTIMISED) cargo build
	@install -D "$(TARGET)/debug/l3net" "$(TARGET)/optimised/l3net"
	@echo "built $(TARGET)/optimised/l3net"

# One folder, because the binary looks for libtorch and the models relative to itself;
# PREFIX/bin gets a symlink. The service is not enabled. A TOML file that differs from ours
# may be somebody's own: it stays.
install: build ## install to PREFIX (default /usr/local, or ~/.local unless root)
	@install -d "$(LIB_DIR)/bin" "$(LIB_DIR)/lib" "$(DESTDIR)$(PREFIX)/bin"
	@install -m 755 "$(TARGET)/optimised/l3net" "$(LIB_DIR)/bin/l3net"
	@cp -u "$${LIBTORCH:-.libtorch}"/lib/*.so* "$(LIB_DIR)/lib/"
	@cp "$${LIBTORCH:-.libtorch}"/build-version "$(LIB_DIR)/" 2>/dev/null || true
	@[ ! -d models ] || cp -r models "$(LIB_DIR)/"
	@install -d "$(LIB_DIR)/pipelines/live" "$(DESTDIR)$(PREFIX)/lib/systemd/system"
	@install -m 644 pipelines/*.launch "$(LIB_DIR)/pipelines/"
	@install -m 644 $(filter-out %.toml %.service %/Containerfile,$(wildcard pipelines/live/*)) "$(LIB_DIR)/pipelines/live/"
	@for file in pipelines/live/*.toml; do \
		there="$(LIB_DIR)/$$file"; \
		if [ ! -e "$$there" ] || cmp -s "$$file" "$$there"; then install -m 644 "$$file" "$$there"; \
		else install -m 644 "$$file" "$$there.new"; echo "kept $$there; the new one is $$there.new"; fi; \
	done
	@sed 's|/usr/local/|$(PREFIX)/|g' pipelines/live/l3net.service >"$(DESTDIR)$(PREFIX)/lib/systemd/system/l3net.service"
	@ln -sfn ../lib/l3net/bin/l3net "$(DESTDIR)$(PREFIX)/bin/l3net"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/l3net"

lint: setup-tests ## check format, clippy and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --no-default-features -- -D warnings
	cargo clippy --quiet --no-default-features --features gst -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps

bench: setup ## run the Criterion benches of the hot paths
	cargo bench
