#!/bin/sh
# compose.sh WEIR ROOT: the compose file is one that docker-compose takes; weir takes its configuration; each receiver in that is a
# service whose own configuration listens on that port; what weir listens on by itself is published.
set -eu
WEIR=$1 ROOT=$2
here=$ROOT/deploy/compose
fail() { echo "FAIL: compose: $*" >&2; exit 1; }
command -v docker-compose >/dev/null || { echo "compose: needs the Debian package docker-compose" >&2; exit 77; }
config=$(docker-compose -f "$here/compose.yaml" config) || fail "docker-compose refuses the file"
services=$(docker-compose -f "$here/compose.yaml" config --services)
"$WEIR" check "$here/weir.yaml" >/dev/null || { "$WEIR" check "$here/weir.yaml"; fail "weir refuses its configuration"; }
sed -n 's/^  - host: //p' "$here/weir.yaml" | while read -r host; do
    echo "$services" | grep -qx "$host" || fail "no service $host"
    port=$(grep -A1 "host: $host\$" "$here/weir.yaml" | sed -n 's/^ *port: //p')
    grep -qiE "^ *port +$port\$" "$here/$host.conf" || fail "$host does not listen on $port"
done
# Its files are there (compose would make directories of them), and the ports are those that the image exposes.
echo "$config" | sed -n 's/^ *- \(\/[^:]*\):.*:ro$/\1/p' | while read -r file; do [ -f "$file" ] || fail "no file $file"; done
for port in $(sed -n 's/^EXPOSE //p' "$ROOT/deploy/container/Containerfile"); do
    number=${port%/*} kind=${port#*/}
    echo "$config" | grep -qE "(^| |:)$number:$number/$kind\$" ||
        echo "$config" | tr '\n' ' ' | grep -qE "protocol: $kind +published: $number +target: $number( |\$)" ||
        fail "$port is not published"
done
echo "compose: $(echo "$services" | wc -l) services, ports and configurations agree"
