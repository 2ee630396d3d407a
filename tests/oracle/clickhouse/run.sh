#!/bin/sh
# ClickHouse beside weir on windowed aggregates: sh run.sh WEIR FOLDER [EVENTS [SEED]]. FOLDER gets the Python package and the data.
set -eu
weir=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
if ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
    python3 -m pip install -q --no-deps --no-warn-script-location --root-user-action=ignore --upgrade --target "$folder/packages" \
        -r "$here/requirements.txt" || { echo "oracle.clickhouse: pip failed; the package registry must be reachable" >&2; exit 1; }
    cp "$here/requirements.txt" "$folder"
fi
PYTHONPATH="$folder/packages" exec python3 "$here/compare.py" "$weir" "$folder/data" "${3:-4000}" "${4:-1}"
