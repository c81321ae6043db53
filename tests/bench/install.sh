#!/usr/bin/env bash
# Installs Renovate below target/ for `make bench-heavy`, in a version that runs on Node 20 and 22, and writes what the
# benchmark has to know to the file $1. Where it cannot be installed the file is empty, and Renovate is left out by name.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
environment=$1
renovate=39.264.0
at=$root/target/renovate

mkdir -p "$(dirname "$environment")"
: >"$environment"
left_out() {
  echo "left out: Renovate ($1)"
  exit 0
}
installed() { node -p "require('$at/node_modules/renovate/package.json').version" 2>/dev/null || true; }

command -v npm >/dev/null 2>&1 || left_out "npm is not installed; Debian: npm"
if [ "$(installed)" != "$renovate" ]; then
  npm install --prefix "$at" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "renovate@$renovate" ||
    left_out "npm cannot install renovate@$renovate"
fi
[ "$(installed)" = "$renovate" ] || left_out "renovate@$renovate is not below $at"
printf 'REPIN_RENOVATE=%q\n' "$at/node_modules/.bin/renovate" >>"$environment"
echo "Renovate: $renovate on Node $(node --version)"
