#!/usr/bin/env bash
# Installs by package name what the tests beside Rust and git use: a real registry and what stands before it, servers of
# Git, and other readers of YAML; with REPIN_HEAVY=1 also what Pulp needs.
# For Debian and root. What is already there stays as it is; no service is started.
set -euo pipefail

POLICY=/usr/sbin/policy-rc.d
APT=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
export DEBIAN_FRONTEND=noninteractive

has() { command -v "$1" >/dev/null 2>&1; }

# While it installs, apt must start no service: the registry would take its usual port. A run that was killed may have left
# our file behind; the fixed name of the saved one lets the next run put it back.
saved=$POLICY.before-repin
mark='placed by tests/install/debian.sh of repin'
is_ours() { [ -e "$POLICY" ] && grep -q "$mark" "$POLICY"; }
restore() {
  if is_ours; then rm -f "$POLICY"; fi
  if [ -e "$saved" ] && [ ! -e "$POLICY" ]; then mv "$saved" "$POLICY"; fi
}
restore

wanted=()
has docker-registry || wanted+=(docker-registry)
has htpasswd || wanted+=(apache2-utils)
has openssl || wanted+=(openssl)
has skopeo || wanted+=(skopeo)
# Servers stand where the PATH of people does not look.
has_server() { has "$1" || [ -x "/usr/sbin/$1" ]; }
has_server haproxy || wanted+=(haproxy)
has_server nginx || wanted+=(nginx-light)
has_server fcgiwrap || wanted+=(fcgiwrap)
has_server sshd || wanted+=(openssh-server)
has ssh-keygen || wanted+=(openssh-client)
has gpg || wanted+=(gnupg)
/usr/bin/python3 -c 'import yaml' >/dev/null 2>&1 || wanted+=(python3-yaml)
has node || wanted+=(nodejs)
has npm || wanted+=(npm)
if [ "${REPIN_HEAVY:-}" = 1 ]; then
  has curl || wanted+=(curl)
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || wanted+=(postgresql)
  python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || wanted+=(python3-venv)
fi

if [ ${#wanted[@]} -eq 0 ]; then
  echo "packages: all there"
  exit 0
fi
echo "packages: installing ${wanted[*]}"

trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$POLICY" ]; then mv "$POLICY" "$saved"; fi
printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$POLICY"
chmod 755 "$POLICY"

# The lists of a fresh image are empty, and those of an old one name files that are gone.
install() { "${APT[@]}" install --yes --quiet --no-install-recommends "${wanted[@]}"; }
if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
  "${APT[@]}" update --quiet
  install
else
  if ! install; then
    "${APT[@]}" update --quiet
    install
  fi
fi

# Nor at the next boot: the tests start servers of their own, on free ports.
if has systemctl; then
  for package in docker-registry:docker-registry.service haproxy:haproxy.service nginx-light:nginx.service \
    fcgiwrap:fcgiwrap.socket openssh-server:ssh.service postgresql:postgresql.service; do
    if [[ " ${wanted[*]} " == *" ${package%%:*} "* ]]; then
      systemctl --quiet disable "${package#*:}" || true
    fi
  done
fi
