#!/bin/sh
# Looks after the exporters of this machine.
. /usr/local/lib/common.sh
say "watching $(ls /usr/local/exporter | wc -l) exporters"
