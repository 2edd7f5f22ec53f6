#!/usr/bin/env bash
# Builds and runs every fuzz target for so many seconds each (60): fuzz/run.sh [SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
    exit 1
fi
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "the nightly toolchain is missing: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi

targets=${*:-$(cargo +nightly fuzz list --fuzz-dir .)}
cargo +nightly fuzz build --fuzz-dir .
failed=""
for target in $targets; do
    echo "== $target"
    mkdir -p "corpus/$target"
    seeds=()
    if [ -d "seeds/$target" ]; then seeds=("seeds/$target"); fi
    cargo +nightly fuzz run --fuzz-dir . "$target" "corpus/$target" ${seeds[@]+"${seeds[@]}"} -- \
        -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 ||
        failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "failed:$failed; the inputs are in fuzz/artifacts" >&2
    exit 1
fi
