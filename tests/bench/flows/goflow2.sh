#!/bin/sh
# Builds goflow2 from its Go module into build/goflow2, for run.py only. Needs Go 1.22 or later and the module proxy.
set -eu
cd "$(dirname "$0")/../../.."
out=$PWD/build/goflow2
GOBIN=$out GOFLAGS=-mod=mod go install github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6
"$out/goflow2" -v
