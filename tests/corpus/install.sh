#!/usr/bin/env bash
# Prepares what `make test-corpus` uses beside `make test`, and adds it to the environment file $1: a Python with PyYAML and
# helm-python-sdk, which brings Helm's own library along. Where it cannot be had, charts are left out by name.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
environment=$1
venv=$root/target/helm
helm_python_sdk=0.2.2
pyyaml=6.0.3

has_all() { "$venv/bin/python" -c 'import helm_python, yaml' >/dev/null 2>&1; }

if ! has_all; then
  python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "helm-python-sdk==$helm_python_sdk" "pyyaml==$pyyaml" || true
fi
if has_all; then
  printf 'REPIN_HELM_PYTHON=%q\n' "$venv/bin/python" >>"$environment"
  echo "Helm: $("$venv/bin/python" -c 'import helm_python; print(helm_python.helm_sdk_version())') of helm-python-sdk"
else
  echo "left out: rendering charts (run: $venv/bin/pip install helm-python-sdk==$helm_python_sdk pyyaml==$pyyaml)"
fi
if command -v kustomize >/dev/null || command -v kubectl >/dev/null; then
  echo "kustomize: $(command -v kustomize || command -v kubectl)"
else
  echo "left out: rendering kustomizations (neither kustomize nor kubectl is there)"
fi
