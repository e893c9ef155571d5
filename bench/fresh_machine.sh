#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times the README's two commands on a Debian 12 with nothing installed: a fresh root by debootstrap (needs root and debootstrap).
# Usage: bench/fresh_machine.sh ROOT [build] [demo] [test]    writes bench/results/fresh-machine.json
# What was timed earlier in the same ROOT is kept, so the parts can run one after the other.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
root=$1
shift
[ $# -gt 0 ] || set -- build demo test

if [ ! -d "$root/root/src" ]; then
  debootstrap --variant=minbase --include=ca-certificates,make,git bookworm "$root" > /dev/null
  cp /etc/resolv.conf "$root/etc/"
  # The way to the npm registry belongs to the machine, not to what is measured.
  for settings in /etc/npmrc /root/.npmrc; do [ ! -f "$settings" ] || cp "$settings" "$root$settings"; done
  mkdir -p "$root/usr/local/share/ca-certificates"
  for authority in /usr/local/share/ca-certificates/*.crt; do [ ! -f "$authority" ] || cp "$authority" "$root$authority"; done
  chroot "$root" update-ca-certificates > /dev/null 2>&1
  mkdir -p "$root/root/src/shared" "$root/root/times"
  git clone -q "$here" "$root/root/src/spectra"
fi
for place in proc dev; do
  mountpoint -q "$root/$place" || mount --rbind "/$place" "$root/$place"
done
mountpoint -q "$root/root/src/shared" || mount --bind -o ro "$here/../shared" "$root/root/src/shared"

timed() {
  begin=$(date +%s)
  chroot "$root" sh -c "cd /root/src/spectra && $2" > "$root/root/times/$1.log" 2>&1 || { tail -n 30 "$root/root/times/$1.log"; exit 1; }
  echo $(($(date +%s) - begin)) > "$root/root/times/$1"
  git -C "$root/root/src/spectra" rev-parse --short HEAD > "$root/root/times/$1.revision"
  echo "$1: $(cat "$root/root/times/$1") s"
}
for part in "$@"; do
  case $part in
    build) timed setup "make setup" && timed build "make" ;;
    demo) timed demo "make demo" ;;
    test) timed test "rm -rf build && make test" ;;
  esac
done

cd "$root/root/times"
{
  printf '{\n "date": "%s",\n "machine": "%s, %s cores",\n' "$(date +%F)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
  printf ' "commands": "make setup; make; make demo; make test, in a fresh Debian 12",\n'
  printf ' "parts": {'
  separator=""
  for part in setup build demo test; do
    [ -f "$part" ] || continue
    printf '%s"%s": {"seconds": %s, "revision": "%s"}' "$separator" "$part" "$(cat "$part")" "$(cat "$part.revision")"
    separator=", "
  done
  printf '}\n}\n'
} > "$here/bench/results/fresh-machine.json"
cat "$here/bench/results/fresh-machine.json"
