#!/usr/bin/env bash
# test/readers: what Sluice wrote, read by delta-rs, an independent Delta reader.
set -euo pipefail

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
fi
python3 -m venv "$SLUICE_CI_TOOLS/python"
"$SLUICE_CI_TOOLS/python/bin/pip" install -q --no-cache-dir --disable-pip-version-check deltalake==1.6.6 duckdb==2.0.0 pyarrow==26.0.1

export SLUICE_TEST_PYTHON=$SLUICE_CI_TOOLS/python/bin/python
node scripts/test.js --project readers
