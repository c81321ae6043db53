#!/usr/bin/env bash
# Pulp's container registry, for the heavy tier: pages with `Link`, and a token server of its own.
#
#   pulp.sh install           installs pulp-container into target/pulp; PostgreSQL is for debian.sh
#   pulp.sh version           says what is installed, and fails if something is missing
#   pulp.sh serve <port>      serves on 127.0.0.1, <port> and the one after it, until its stdin ends; says `ready` when it
#                             answers. The password of `admin` is $REPIN_PULP_PASSWORD.
#
# Nothing of a run outlives it: database, keys and files stand in a directory that is removed at its end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/target/pulp/venv
pulp_container=2.30.0

postgres() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

version() {
  [ -n "$(postgres)" ] && "$venv/bin/python" -c 'from importlib.metadata import version as v; print("pulp-container", v("pulp-container"))' 2>/dev/null
}

install_all() {
  if ! "$venv/bin/python" -c 'import pulp_container' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "pulp-container==$pulp_container"
  fi
}

serve() {
  local port=$1
  exec 3<&0 </dev/null
  directory=$(mktemp -d)
  chmod 755 "$directory"
  children=()
  # The servers go first, in the order in which they need each other.
  clean() {
    trap - EXIT
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
    if [ -e "$directory/data/postmaster.pid" ]; then
      as_postgres "$(postgres)/pg_ctl" -D "$directory/data" -m immediate -w stop >/dev/null || true
    fi
    rm -rf "$directory"
  }
  trap clean EXIT
  trap 'exit 143' TERM INT

  # PostgreSQL refuses to run as root. It listens at a socket in our directory only, at no port.
  if [ "$(id -u)" -eq 0 ]; then
    as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
    install -d -o postgres -g postgres "$directory/data" "$directory/socket"
  else
    as_postgres() { "$@"; }
    mkdir "$directory/data" "$directory/socket"
  fi
  cd "$directory"
  as_postgres "$(postgres)/initdb" -D "$directory/data" -U pulp -A trust --no-sync -E UTF8 >/dev/null
  as_postgres "$(postgres)/pg_ctl" -D "$directory/data" -w -l "$directory/data/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$directory/socket' -c fsync=off" start >/dev/null
  "$(postgres)/createdb" -h "$directory/socket" -U pulp pulp

  mkdir -p media static working upload
  openssl rand -base64 32 >fields.key
  openssl ecparam -genkey -name prime256v1 -noout -out token.key 2>/dev/null
  openssl ec -in token.key -pubout -out token.pub 2>/dev/null
  cat >settings.py <<END
SECRET_KEY = "only for a test"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "pulp", "USER": "pulp", "HOST": "$directory/socket"}}
DEPLOY_ROOT = "$directory"
MEDIA_ROOT = "$directory/media/"
STATIC_ROOT = "$directory/static/"
WORKING_DIRECTORY = "$directory/working/"
FILE_UPLOAD_TEMP_DIR = "$directory/upload/"
DB_ENCRYPTION_KEY = "$directory/fields.key"
CONTENT_ORIGIN = "http://127.0.0.1:$((port + 1))"
TOKEN_SERVER = "http://127.0.0.1:$port/token/"
TOKEN_AUTH_DISABLED = False
TOKEN_SIGNATURE_ALGORITHM = "ES256"
PRIVATE_KEY_PATH = "$directory/token.key"
PUBLIC_KEY_PATH = "$directory/token.pub"
CACHE_ENABLED = False
ALLOWED_HOSTS = ["*"]
END
  export PULP_SETTINGS=$directory/settings.py
  export DJANGO_SETTINGS_MODULE=pulpcore.app.settings
  "$venv/bin/pulpcore-manager" migrate --noinput >log.migrate 2>&1 || { tail -20 log.migrate >&2; exit 1; }
  "$venv/bin/pulpcore-manager" reset-admin-password --password "$REPIN_PULP_PASSWORD" >log.admin 2>&1

  "$venv/bin/pulpcore-api" --bind "127.0.0.1:$port" --workers 2 >log.api 2>&1 &
  children+=($!)
  "$venv/bin/pulpcore-content" --bind "127.0.0.1:$((port + 1))" --workers 1 >log.content 2>&1 &
  children+=($!)
  "$venv/bin/pulpcore-worker" >log.worker 2>&1 &
  children+=($!)
  for _ in $(seq 600); do
    # Without a token the registry answers 401, and that is an answer.
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$port/v2/" || true)
    if [ "$status" = 401 ]; then
      echo ready
      # Not in the foreground: a signal would wait for it.
      cat <&3 >/dev/null &
      children+=($!)
      wait $!
      exit 0
    fi
    sleep 0.1
  done
  tail -20 log.api >&2
  echo "pulp did not answer" >&2
  exit 1
}

case ${1:-} in
  install) install_all ;;
  version) version ;;
  serve) serve "$2" ;;
  *) sed -n '2,10p' "$0"; exit 2 ;;
esac
