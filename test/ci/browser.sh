#!/usr/bin/env bash
# test/browser: the pages, opened in a browser.
set -euo pipefail

if ! command -v chromium >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
npm install --silent --no-audit --no-fund --no-save --prefix "$SLUICE_CI_TOOLS/browser" playwright-core@1.65.1

SLUICE_TEST_CHROMIUM=$(command -v chromium)
export SLUICE_TEST_CHROMIUM SLUICE_TEST_PLAYWRIGHT=$SLUICE_CI_TOOLS/browser
node scripts/test.js --project browser
