"""Answers POST /v1/mood {"text": "..."} with the mood that the model finds in it."""
import json
import os
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy

try:
    import onnxruntime
except ImportError:  # ONNX is off in the build menu.
    onnxruntime = None

LABELS = ["sad", "happy"]
WORDS = 2**17

MODEL = "/srv/models/mood/model.onnx"
session = onnxruntime and onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


def features(text):
    """A bag of words: each word raises one of WORDS counters, chosen by its CRC-32, as make_model.py trained them."""
    counts = numpy.zeros((1, WORDS), dtype=numpy.float32)
    for word in text.lower().split():
        counts[0, zlib.crc32(word.strip(".,!?").encode()) % WORDS] += 1
    return counts


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        if self.path != "/v1/mood":
            return self.answer(404, {"error": f"no such service: {self.path}"})
        try:
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        except (KeyError, TypeError, ValueError):
            return self.answer(400, {"error": 'send {"text": "..."}'})
        if session is None:
            return self.answer(503, {"error": "this image has no engine: ONNX is off"})
        (scores,) = session.run(["scores"], {"words": features(text)})
        best = int(scores[0].argmax())
        self.answer(200, {"mood": LABELS[best], "score": round(float(scores[0][best]), 3)})

    def do_GET(self):
        engine = onnxruntime and f"onnxruntime {onnxruntime.__version__}"
        sample = {"sample": {"text": "I love it"}} if os.environ.get("RESTFUL_SAMPLE") == "y" else {}
        self.answer(200, {"status": "ready", "engine": engine, **sample})

    def answer(self, status, body):
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Service).serve_forever()
