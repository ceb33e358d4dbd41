#!/bin/sh
# What this tool takes the place of, as the documented commands in a row: read the access Secret, forward a port, let psql
# create what is missing, apply the application Secret. In its favour it waits for nothing, keeps the password, and leaves
# out what needs a second connection (rights on schema public, a proof): kubectl drops the forward with the first one that
# closes over TLS (https://github.com/kubernetes/kubernetes/issues/111825).
set -eu

get() { kubectl -n "$1" get secret "$2" -o "jsonpath={.data.$3}" | base64 -d; }
host=$(get "$ACCESS_NAMESPACE" "$ACCESS_SECRET" PGHOST)
PGUSER=$(get "$ACCESS_NAMESPACE" "$ACCESS_SECRET" PGUSER)
PGPASSWORD=$(get "$ACCESS_NAMESPACE" "$ACCESS_SECRET" PGPASSWORD)
PGSSLMODE=$(get "$ACCESS_NAMESPACE" "$ACCESS_SECRET" PGSSLMODE)
service=$(get "$ACCESS_NAMESPACE" "$ACCESS_SECRET" USER_ACCESS)
export PGUSER PGPASSWORD PGSSLMODE PGHOST=127.0.0.1 PGDATABASE=postgres

ports=$(mktemp -u)
mkfifo "$ports"
kubectl -n "$ACCESS_NAMESPACE" port-forward "svc/$service" :5432 >"$ports" 2>/dev/null &
forward=$!
# It has gone already where the connection of psql was closed over TLS.
trap 'kill $forward 2>/dev/null || true; rm -f "$ports"' EXIT
# Kept open: kubectl has more to say.
exec 3<"$ports"
read -r line <&3
line=${line% ->*}
export PGPORT="${line##*:}"

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set app="$APP" --set password="$APP_PASSWORD" <<'SQL'
SELECT format('CREATE DATABASE %I', :'app')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'app') \gexec
SELECT format('CREATE USER %I WITH ENCRYPTED PASSWORD %L', :'app', :'password')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'app') \gexec
GRANT ALL PRIVILEGES ON DATABASE :"app" TO :"app";
SQL

kubectl -n "$APP_NAMESPACE" apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Secret
metadata: {name: $APP-postgresql-secret}
stringData: {PGHOST: "$host", PGPORT: "5432", PGUSER: "$APP", PGPASSWORD: "$APP_PASSWORD", PGDATABASE: "$APP", PGSSLMODE: "$PGSSLMODE"}
YAML
