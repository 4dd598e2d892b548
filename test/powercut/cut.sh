#!/usr/bin/env bash
# Power cuts without a machine to switch off: `npm run powercut -- ext4|xfs [CUTS]`, as root, on Linux with xfsprogs. With
# `appends`, `files` or `directories` behind it the writer leaves out the flushes of this kind, and a cut must notice.
#
# A file system with the store on it lies in an image, and the image on another file system that can copy a file in an
# instant by sharing its blocks. Such a copy is what a disk holds when the power fails: all that was flushed, none of what
# is in the page cache. Each copy is mounted, and what it holds is compared with what had been acknowledged before.
set -eu
kind=${1:?ext4 or xfs}
cuts=${2:-10}
unflushed=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
writer=
# XFS mounts no two file systems with one id, which a copy has.
options=loop
if [ "$kind" = xfs ]; then options=loop,nouuid; fi

finish() {
  if [ -n "$writer" ]; then
    kill -9 "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
  fi
  for point in cut inner outer; do umount "$work/$point" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

mkdir "$work/outer" "$work/inner" "$work/cut"
truncate -s 3G "$work/outer.img"
mkfs.xfs -q -m reflink=1 "$work/outer.img"
mount -o loop "$work/outer.img" "$work/outer"
truncate -s 400M "$work/outer/disk"
"mkfs.$kind" -q "$work/outer/disk"
mount -o loop "$work/outer/disk" "$work/inner"

if [ -n "$unflushed" ]; then export TIDEMARK_UNFLUSHED=$unflushed; fi
node "$here/Writer.ts" "$work/inner/store" >"$work/acknowledged" &
writer=$!
until [ -s "$work/acknowledged" ]; do sleep 0.1; done

lost=0
for cut in $(seq "$cuts"); do
  sleep "0.$((RANDOM % 6 + 2))"
  # Only whole lines: the last one may be under way.
  acknowledged=$(grep -c . "$work/acknowledged" || true)
  cp --reflink=always "$work/outer/disk" "$work/outer/copy"
  mount -o "$options" "$work/outer/copy" "$work/cut"
  # The writer is alive here, as it would not be after a power cut.
  rm -f "$work/cut/store/lock/"*
  if found=$(node "$here/Reader.ts" "$work/cut/store" "$((acknowledged - 2))"); then
    echo "$kind cut $cut: $((acknowledged - 1)) acknowledged, $found found"
  else
    echo "$kind cut $cut: FAILED"
    lost=$((lost + 1))
  fi
  umount "$work/cut"
  rm "$work/outer/copy"
done
echo "$((cuts - lost)) of $cuts power cuts lost nothing"
if [ -n "$unflushed" ]; then [ "$lost" -gt 0 ]; else [ "$lost" = 0 ]; fi
