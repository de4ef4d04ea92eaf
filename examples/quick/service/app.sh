#!/bin/sh
echo "hello from the service"
