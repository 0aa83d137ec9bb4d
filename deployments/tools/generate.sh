#!/usr/bin/env bash
# Generates from the contracts in api/: asyncapi/events.yaml, the services' HTTP
# interfaces, the front end's types. Needs frontend/node_modules.
set -euo pipefail
cd "$(dirname "$0")/../.."
npm=$PWD/frontend/node_modules/.bin
oapi_codegen=$(GOWORK=off go -C deployments/tools tool -n oapi-codegen)
# No telemetry and no update check of redocly.
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# quiet runs a command and prints its output only if the command fails.
quiet() { "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; return 1; }; }

go run ./api/generate api "$tmp"
for name in policy chat portal; do
  quiet "$npm/redocly" bundle "api/openapi/$name.yaml" --output "$tmp/$name.json"
done
for name in policy chat; do
  (cd "services/$name/rest" && "$oapi_codegen" -config oapi-codegen.yaml "$tmp/$name.json")
done
for name in policy chat portal events hubs; do
  quiet "$npm/openapi-typescript" "$tmp/$name.json" --output "frontend/src/api/$name.gen.ts" \
    --root-types --root-types-no-schema-prefix --root-types-keep-casing
done
