#!/bin/sh
# Load generators from Debian: wrk (requests), iperf3 (bulk), gcc (bench/load/*.c), taskset (util-linux).
set -eu
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends wrk iperf3 gcc libc6-dev util-linux
# wrk 4.1.0 prints its version and exits 1
wrk --version 2>&1 | head -n 1 || true
iperf3 --version | head -n 1
gcc --version | head -n 1
