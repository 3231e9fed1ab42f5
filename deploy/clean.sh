#!/usr/bin/env bash
# Remove what tools leave behind. The environment, the database and the model stay.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

rm -rf .coverage htmlcov .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
find . -path ./.venv -prune -o -path ./var -prune -o -name __pycache__ -type d \
    -exec rm -rf {} +
