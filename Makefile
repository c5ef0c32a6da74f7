# `make demo` and `make test` do all that a fresh Debian or Ubuntu with Rust needs.
#
# demo, test and lint share cargo's dev profile (optimised, see Cargo.toml), so
# that torch-sys, minutes of C++, is compiled once for all of them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test build install lint bench

# Rust is often installed a moment ago, and the shell does not know yet.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
TARGET := $(or $(CARGO_TARGET_DIR),target)
HOME_OF_IT = $(DESTDIR)$(PREFIX)/lib/l3net
# A scene of three things of which one sounds; half-way the sound is changed for
# that of something else.
SCENE := --objects 3 --seconds 10 --swap-at 5 --split test --seed 3

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## Debian packages and libtorch, where missing (CUDA=1: for an NVIDIA GPU, too)
	@scripts/setup.sh $(if $(filter-out 0,$(CUDA)),cuda)

demo: setup ## make a scene and judge it: a table, heatmaps and an overlay video
	@cargo build
	@rm -rf demo && mkdir -p demo
	@cargo run --quiet -- synth -o demo/scene $(SCENE) --quiet
	@cargo run --quiet -- batch demo/scene -o demo/results.jsonl \
		--heatmaps demo/heatmaps --table
	@cargo run --quiet -- batch demo/scene -o demo/overlay.jsonl --hop 0.2 \
		--overlay demo/overlay.mkv --quiet
	@printf '%s\n' "" \
		"Three things, of which one sounds; after 5 seconds the sound is another's:" \
		"  demo/scene/          the scene, and beside it what is where and what is heard" \
		"  demo/overlay.mkv     the scene with heatmap and score drawn in; any player shows it" \
		"  demo/heatmaps/       a picture for each second, and one of its sound" \
		"  demo/results.jsonl   one JSON object a line; README.md explains the fields"

test: setup ## the whole test suite
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run; else cargo test --lib --bins --tests; fi

build: setup ## the release binary
	@cargo build --release
	@echo "built $(TARGET)/release/l3net"

# All of it in one folder, since the binary looks for libtorch and the models
# relative to itself; what is on the PATH is a link into it.
install: build ## binary, libtorch, models and pipelines to PREFIX (/usr/local, or ~/.local unless root)
	@install -d "$(HOME_OF_IT)/bin" "$(HOME_OF_IT)/lib" "$(DESTDIR)$(PREFIX)/bin"
	@install -m 755 "$(TARGET)/release/l3net" "$(HOME_OF_IT)/bin/l3net"
	@cp -u "$${LIBTORCH:-.libtorch}"/lib/*.so* "$(HOME_OF_IT)/lib/"
	@cp "$${LIBTORCH:-.libtorch}"/build-version "$(HOME_OF_IT)/" 2>/dev/null || true
	@for folder in models pipelines; do [ ! -d $$folder ] || cp -r $$folder "$(HOME_OF_IT)/"; done
	@ln -sfn ../lib/l3net/bin/l3net "$(DESTDIR)$(PREFIX)/bin/l3net"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/l3net"

lint: setup ## format, clippy and documentation, warnings denied
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps

bench: setup ## Criterion benches of the hot paths
	cargo bench
