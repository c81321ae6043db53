#!/usr/bin/env bash
# Prepares what `make test` uses beside Rust and git, and writes the environment of the tests to the file $1.
# On Debian as root everything is installed, and a part that is then missing fails the tests. Elsewhere nothing is
# installed: what is there is used, and what is not is left out, by name.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
environment=$1
npm_yaml=2.9.1
readers=$root/target/readers
forges=$root/target/forges
octokit_openapi=23.0.2
prism=5.14.2
emulate=0.11.2
forgejo_api=0.12.0

has() { command -v "$1" >/dev/null 2>&1; }
left_out() { echo "left out: $1 ($2)"; }

required=0
if [ "$(id -u)" -ne 0 ]; then
  left_out "installing packages" "not root"
elif ! (. /etc/os-release && [ "$ID" = debian ]) 2>/dev/null; then
  left_out "installing packages" "not Debian"
else
  bash "$here/debian.sh"
  required=1
fi

mkdir -p "$(dirname "$environment")"
: >"$environment"
set_variable() { printf '%s=%q\n' "$1" "$2" >>"$environment"; }

# The system's python3 first: that is where the package python3-yaml goes.
for python in /usr/bin/python3 python3; do
  if "$python" -c 'import yaml' >/dev/null 2>&1; then
    set_variable REPIN_PYTHON "$python"
    echo "PyYAML: $("$python" -c 'import yaml; print(yaml.__version__)') of $python"
    break
  fi
  python=
done
[ -n "$python" ] || left_out "reading edits with PyYAML" "no python3 with the module yaml; Debian: python3-yaml"

# Fails unless both are there in the wanted version.
version_of_forge_peers() {
  local at=$forges/peers/node_modules
  local found
  found=$(node -p "'prism ' + require('$at/@stoplight/prism-cli/package.json').version + ', emulate ' + require('$at/emulate/package.json').version" 2>/dev/null)
  [ "$found" = "prism $prism, emulate $emulate" ] && echo "$found"
}

installed() { node -p "require('$readers/node_modules/yaml/package.json').version" 2>/dev/null || true; }
if [ $required -eq 1 ] && [ "$(installed)" != "$npm_yaml" ]; then
  mkdir -p "$readers"
  npm install --prefix "$readers" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error \
    "yaml@$npm_yaml"
fi
if has node && [ -n "$(installed)" ]; then
  set_variable REPIN_NODE_MODULES "$readers/node_modules"
  echo "npm yaml: $(installed) on node $(node --version)"
else
  left_out "reading edits with npm yaml" "run: npm install --prefix target/readers --no-save yaml@$npm_yaml"
fi

# What vendors say of their APIs: GitHub's description, and Gitea's out of a crate that is made from it. Of both packages one
# file is kept.
if [ $required -eq 1 ]; then
  mkdir -p "$forges"
  if [ ! -e "$forges/github-$octokit_openapi.json" ]; then
    npm install --prefix "$forges/openapi" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts \
      --loglevel=error "@octokit/openapi@$octokit_openapi"
    mv "$forges/openapi/node_modules/@octokit/openapi/generated/api.github.com.json" "$forges/github-$octokit_openapi.json"
    rm -rf "$forges/openapi"
  fi
  if [ ! -e "$forges/gitea-$forgejo_api.json" ]; then
    mkdir -p "$forges/swagger/src"
    : >"$forges/swagger/src/lib.rs"
    cat >"$forges/swagger/Cargo.toml" <<END
[package]
name = "swagger"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
forgejo-api = { version = "=$forgejo_api", default-features = false }
END
    (cd "$forges/swagger" && "${CARGO:-cargo}" fetch --quiet)
    manifest=$(cd "$forges/swagger" && "${CARGO:-cargo}" metadata --quiet --format-version 1 |
      grep -o '"manifest_path":"[^"]*/forgejo-api-[^"]*"' | cut -d'"' -f4)
    cp "$(dirname "$manifest")/swagger.v1.json" "$forges/gitea-$forgejo_api.json"
    rm -rf "$forges/swagger"
  fi
  if ! version_of_forge_peers >/dev/null; then
    npm install --prefix "$forges/peers" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts \
      --loglevel=error "@stoplight/prism-cli@$prism" "emulate@$emulate"
  fi
fi
for document in "GITHUB_OPENAPI github-$octokit_openapi" "GITEA_SWAGGER gitea-$forgejo_api"; do
  if [ -e "$forges/${document#* }.json" ]; then
    set_variable "REPIN_${document% *}" "$forges/${document#* }.json"
    echo "API of a forge: ${document#* }"
  else
    left_out "forges against their documents" "there is no target/forges/${document#* }.json"
  fi
done
if has node && peers=$(version_of_forge_peers); then
  set_variable REPIN_PRISM "$forges/peers/node_modules/@stoplight/prism-cli/dist/index.js"
  set_variable REPIN_EMULATE "$forges/peers/node_modules/emulate/dist/index.js"
  echo "peers of forges: $peers"
else
  left_out "second opinions on GitHub's API" \
    "run: npm install --prefix target/forges/peers --no-save @stoplight/prism-cli@$prism emulate@$emulate"
fi

for program in docker-registry htpasswd openssl; do
  if has $program; then
    echo "$program: $(command -v $program)"
  else
    left_out "stories against a real registry" "$program is not installed; Debian: docker-registry apache2-utils openssl"
  fi
done

for server in haproxy skopeo; do
  program=$(PATH=$PATH:/usr/sbin:/sbin command -v $server || true)
  if [ -n "$program" ]; then
    echo "$server: $program"
  else
    left_out "stories with $server" "it is not installed; Debian: $server"
  fi
done

# For `make test-heavy` only: it takes minutes.
if [ "${REPIN_HEAVY:-}" = 1 ]; then
  if [ $required -eq 1 ]; then
    bash "$here/pulp.sh" install
  fi
  if pulp=$(bash "$here/pulp.sh" version); then
    echo "Pulp: $pulp"
  else
    left_out "the story on Pulp" "it is not installed in target/pulp, or PostgreSQL is missing"
  fi
fi

for server in nginx:nginx-light fcgiwrap:fcgiwrap sshd:openssh-server; do
  program=$(PATH=$PATH:/usr/sbin:/sbin command -v "${server%%:*}" || true)
  if [ -n "$program" ]; then
    echo "${server%%:*}: $program"
  else
    left_out "Git over a network" "${server%%:*} is not installed; Debian: ${server#*:}"
  fi
done

if [ $required -eq 1 ]; then
  set_variable REPIN_REQUIRE_SERVERS 1
  set_variable REPIN_REQUIRE_READERS 1
  set_variable REPIN_REQUIRE_FORGES 1
  set_variable REPIN_REQUIRE_REGISTRY 1
  set_variable REPIN_REQUIRE_HAPROXY 1
  set_variable REPIN_REQUIRE_SKOPEO 1
  set_variable REPIN_REQUIRE_PULP 1
fi
