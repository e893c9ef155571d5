#!/bin/sh
# Installs the Debian packages listed in FILE... that are missing. Asks for sudo only if not root; does nothing when all are there.
set -eu
missing=""
for package in $(grep -hv '^#' "$@"); do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# Debian's npm conflicts with a newer Node installed by other means, so Node comes from Debian only where there is none.
case "$*" in *apt-test*) command -v npm >/dev/null || missing="$missing nodejs npm" ;; esac
if [ -z "$missing" ]; then
  exit 0
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
echo "installing:$missing" >&2
$sudo apt-get update -q >&2
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
