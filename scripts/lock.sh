#!/bin/sh
# Renew both lock files from pyproject.toml; needs uv (`pip install uv`).
set -eu
cd "$(dirname "$0")/.."
lock() {
    out=$1
    shift
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --quiet \
        --group build "$@" --output-file "$out"
}
lock requirements.lock
lock requirements-dev.lock --group dev --constraints requirements.lock
