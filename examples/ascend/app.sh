#!/bin/bash
set -e
npu-info
if [ -d /opt/miniconda3 ]; then echo "with conda"; else echo "without conda"; fi
