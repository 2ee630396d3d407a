#!/bin/sh
# Holds the layers: base <- {parsers, rules} <- collector; only collector/ includes uv.h. Prints each offender, exits 1.
set -eu
cd "$(dirname "$0")/.."
bad=0
refuse() { # folder, pattern of includes it may not have
    if grep -rnE "#include [<\"]($2)" --include='*.[ch]' --include='*.cc' "$1"; then bad=1; fi
}
refuse base 'parsers/|rules/|collector/|uv\.h'
refuse parsers 'rules/|collector/|uv\.h'
refuse rules 'parsers/|collector/|uv\.h'
refuse rules/exec 'rules/(share|stream)/'
refuse rules/share 'rules/stream/'
[ "$bad" -eq 0 ] && echo "layers hold"
exit "$bad"
