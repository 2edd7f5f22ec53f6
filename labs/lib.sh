# What the labs' `run` scripts share: visible steps, and checks that stop the lab with the reason.
# A lab runs with AWS_ENDPOINT_URL, credentials and region set (`welkin lab NAME` sets them).

set -euo pipefail
export AWS_PAGER="" PYTHONUNBUFFERED=1
LAB=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
CHECKS=0

# step TEXT: says what comes.
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# ok TEXT: an observation that held.
ok() { CHECKS=$((CHECKS + 1)); printf '  \033[32m✓\033[0m %s\n' "$*"; }

# fail TEXT: ends the lab.
fail() { printf '  \033[31m✗ %s\033[0m\n' "$*" >&2; exit 1; }

# expect TEXT ACTUAL WANTED: the two are the same.
expect() { [ "$2" = "$3" ] && ok "$1" || fail "$1: got '$2', wanted '$3'"; }

# contains TEXT ACTUAL PART: the part is in the text.
contains() { case "$2" in *"$3"*) ok "$1" ;; *) fail "$1: '$3' is not in: $2" ;; esac; }

# lacks TEXT ACTUAL PART: the part is not in the text.
lacks() { case "$2" in *"$3"*) fail "$1: '$3' is in: $2" ;; *) ok "$1" ;; esac; }

# refused TEXT PART COMMAND...: the command fails, and says PART.
refused() {
    local text=$1 part=$2 output
    shift 2
    if output=$("$@" 2>&1); then fail "$text: it succeeded: $output"; fi
    contains "$text" "$output" "$part"
}

# json EXPRESSION: evaluates a Python expression over the JSON on standard input (`d`).
json() { python3 -c 'import json,sys; d=json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# zipped FOLDER: the path of an archive of the folder's files.
zipped() {
    python3 - "$1" "$WORK/$(basename "$1").zip" <<'PYTHON'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as archive:
    for folder, _, files in os.walk(sys.argv[1]):
        for name in sorted(files):
            path = os.path.join(folder, name)
            archive.write(path, os.path.relpath(path, sys.argv[1]))
print(sys.argv[2])
PYTHON
}

# done_with NAME: the last line of a lab.
done_with() { printf '\n%s: %s observations hold.\n' "$1" "$CHECKS"; }
