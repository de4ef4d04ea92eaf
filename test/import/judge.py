"""Runs programs with Python itself: JSON lists of texts on standard input, their `x` on standard output, line by line."""

import json
import sys

for line in sys.stdin:
    results = []
    for text in json.loads(line):
        names = {}
        try:
            exec(text, names)
            results.append({"x": names["x"]})
        except Exception as error:
            results.append({"error": repr(error)})
    print(json.dumps(results), flush=True)
