# Thin: each line calls cargo, xtask or a script of tests/.

.PHONY: up test lint bench curve labs tools build fuzz

build:
	cargo build --release --package welkin

up: build
	target/release/welkin up

# Python and Node packages that the tests and labs drive the cloud with, in ignored folders of the project.
tools:
	bash tests/setup.sh

# Everything that must pass.
test: tools
	cargo test --workspace --quiet
	cargo xtask api --check
	cargo xtask coverage --check
	cargo xtask style
	cargo build --package welkin
	.tools/venv/bin/python -m pytest tests
	$(MAKE) labs WELKIN=target/debug/welkin

WELKIN ?= target/release/welkin

labs: tools
	for lab in $$($(WELKIN) lab list); do $(WELKIN) lab $$lab || exit 1; done

lint:
	cargo fmt --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo xtask style
	cargo xtask coverage --check

bench:
	cargo build --release --package welkin --package benches
	target/release/benches

curve:
	cargo build --release --package welkin --package benches
	target/release/benches curve

fuzz:
	bash fuzz/run.sh
