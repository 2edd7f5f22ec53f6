#!/usr/bin/env bash
# Installs what the tests and labs need into .tools/: a Python environment and Node packages, pinned.
set -euo pipefail
cd "$(dirname "$0")/.."
want=$(cat tests/requirements.txt tests/package.json)
# The browser of the labs. Without it they say what they skip.
if ! command -v chromium chromium-browser google-chrome >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium (once)"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null ||
        echo "chromium cannot be installed: labs skip their browser checks" >&2
fi
[ -f .tools/installed ] && [ "$(cat .tools/installed)" = "$want" ] && exit 0
echo "installing the test tools into .tools/ (once)"
mkdir -p .tools/node
[ -x .tools/venv/bin/python ] || python3 -m venv .tools/venv
.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
cp tests/package.json .tools/node/package.json
npm install --silent --no-audit --no-fund --no-package-lock --prefix .tools/node
printf '%s\n' "$want" > .tools/installed
