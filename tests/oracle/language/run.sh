#!/bin/sh
# Microsoft's KQL binder beside weir's: sh run.sh WEIR FOLDER [RANDOM_QUERIES [FIRST_SEED]]. FOLDER gets the npm package.
set -eu
weir=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
mkdir -p "$folder"
if [ ! -d "$folder/node_modules" ] || ! cmp -s "$here/package-lock.json" "$folder/package-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$folder"
    (cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1) || { cat "$folder/npm.log"; exit 1; }
fi
NODE_PATH="$folder/node_modules" exec node "$here/compare.js" "$weir" "$root/tests/data/kql/cases.jsonl" "$root" "${3:-60}" "${4:-1}"
