#!/usr/bin/env bash
# test/readers: what Sluice wrote, read by delta-rs and by Spark, and what they wrote, read by Sluice.
set -euo pipefail

need=()
python3 -c 'import ensurepip, venv' 2>/dev/null || need+=(python3 python3-venv)
java -version 2>/dev/null || need+=(openjdk-17-jre-headless)
mvn -v >/dev/null 2>&1 || need+=(maven)
if ((${#need[@]} > 0)); then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi
python3 -m venv "$SLUICE_CI_TOOLS/python"
# The DuckDB that package.json has: values are compared as its text.
"$SLUICE_CI_TOOLS/python/bin/pip" install -q --no-cache-dir --disable-pip-version-check \
  deltalake==1.6.6 pyspark==4.1.4 duckdb==1.5.5 pyarrow==26.0.1
mvn -q -B -f test/readers/delta-pom.xml dependency:copy-dependencies -DoutputDirectory="$SLUICE_CI_TOOLS/delta-jars"

export SLUICE_TEST_PYTHON=$SLUICE_CI_TOOLS/python/bin/python
export SLUICE_TEST_SPARK_PYTHON=$SLUICE_TEST_PYTHON
export SLUICE_TEST_DELTA_JARS=$SLUICE_CI_TOOLS/delta-jars
node scripts/test.js --project readers
