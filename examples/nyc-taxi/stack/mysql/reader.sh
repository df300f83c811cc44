#!/bin/bash
# Run once, when MySQL's folder is empty: the user that Grafana reads as. Whoever may edit a panel may run any SQL that this user may.
set -euo pipefail

# A quote or a backslash in a password is not the end of it.
escaped() { printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g"; }

MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --user=root <<SQL
CREATE USER IF NOT EXISTS '$(escaped "$GRAFANA_MYSQL_USER")'@'%' IDENTIFIED BY '$(escaped "$GRAFANA_MYSQL_PASSWORD")';
GRANT SELECT ON \`$MYSQL_DATABASE\`.* TO '$(escaped "$GRAFANA_MYSQL_USER")'@'%';
SQL
