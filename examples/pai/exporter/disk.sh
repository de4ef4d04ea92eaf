#!/bin/sh
echo "disk_free_kb $(df -k / | tail -n 1 | tr -s " " | cut -d" " -f4)"
