#!/bin/sh
# The proxies to compare with, from Debian: HAProxy and nginx with its stream module (nginx is also the HTTP endpoint).
# Their services are kept from starting: the benchmark runs its own processes on its own ports.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends haproxy nginx libnginx-mod-stream
haproxy -v | head -n 1
nginx -v
