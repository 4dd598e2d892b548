#!/bin/bash
# A throwaway object store: one Ceph monitor, manager and memory-backed disk, and its S3 gateway, on 127.0.0.1.
#
#   gateway.sh DIRECTORY PORT MONITOR_PORT    boots it; returns when it answers; the keys are test/test
#
# It ends itself, and removes the folder that DIRECTORY lies in, when nobody has touched DIRECTORY/lease for three minutes:
# also when it does not start, or when whoever wanted it is gone before it has.
set -eEu
directory=$1
port=$2
monitor=$3
mkdir -p "$directory"/{mon,osd,mgr,rgw,log,run}
cd "$directory"
touch lease

setsid bash -c '
  while [ -n "$(find "$1/lease" -mmin -3 2> /dev/null)" ]; do sleep 5; done
  ids=$(cat "$1"/run/*.pid 2> /dev/null)
  kill $ids 2> /dev/null
  while kill -0 $ids 2> /dev/null; do sleep 1; done
  rm -rf "$(dirname "$1")"
' gateway-lease "$directory" < /dev/null > /dev/null 2>&1 &
trap 'touch -d "1 hour ago" lease' ERR

cat > ceph.conf <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v1:127.0.0.1:$monitor
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
ms bind msgr2 = false
run dir = $directory/run
admin socket = $directory/run/\$name.asok
pid file = $directory/run/\$name.pid
log file = $directory/log/\$name.log
[mon.a]
mon data = $directory/mon/a
[mgr.x]
mgr data = $directory/mgr/x
[osd.0]
osd data = $directory/osd/0
osd objectstore = memstore
memstore device bytes = 8589934592
osd memory target = 939524096
[client.rgw]
rgw data = $directory/rgw
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
CONF
conf="-c $directory/ceph.conf"
mkdir -p mon/a mgr/x osd/0
fsid=$(awk '/^fsid/ { print $3 }' ceph.conf)

monmaptool --create --addv a "[v1:127.0.0.1:$monitor]" --fsid "$fsid" monmap --clobber
ceph-mon $conf --mkfs -i a --monmap monmap
ceph-mon $conf -i a
ceph-mgr $conf -i x
disk=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph $conf osd new "$disk"
ceph-osd $conf -i 0 --mkfs --osd-uuid "$disk"
ceph-osd $conf -i 0
for _ in $(seq 120); do
  timeout 10 ceph $conf osd stat | grep -q "1 up" && break
  sleep 0.5
done
radosgw $conf -n client.rgw
for _ in $(seq 240); do
  (echo > "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
  sleep 0.5
done
timeout 60 radosgw-admin $conf user create --uid=test --display-name=test --access-key=test --secret-key=test
