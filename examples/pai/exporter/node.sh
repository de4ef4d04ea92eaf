#!/bin/sh
echo "node_load1 $(cut -d" " -f1 /proc/loadavg)"
