"""Makes models/mood/model.onnx: a logistic regression over hashed words, trained here, written as ONNX by hand.

ONNX is a protobuf message (onnx/onnx.proto); the few fields that this model needs are encoded below, so that neither
the onnx package nor a download is needed. Weights are rounded, so that every machine writes the same bytes.
"""
import struct
import sys
import zlib

import numpy

WORDS = 2**17
HAPPY = ["good", "great", "love", "happy", "wonderful", "nice", "best", "fine", "joy", "smile", "thanks", "works"]
SAD = ["bad", "awful", "hate", "sad", "terrible", "poor", "worst", "broken", "pain", "cry", "sorry", "fails"]
PLAIN = ["the", "a", "is", "this", "my", "it", "was", "and", "very", "so", "today", "model", "service", "really"]


def word_index(word):
    return zlib.crc32(word.encode()) % WORDS


def train():
    """Only the rows of known words are trained; all others keep their random start, at most a hundredth."""
    random = numpy.random.default_rng(1)
    words = HAPPY + SAD + PLAIN
    rows, labels = [], []
    for _ in range(4000):
        label = int(random.integers(2))
        row = numpy.zeros(len(words))
        for word in [*random.choice([SAD, HAPPY][label], 2), *random.choice(PLAIN, 4)]:
            row[words.index(word)] += 1
        rows.append(row)
        labels.append(label)
    inputs, wanted = numpy.array(rows), numpy.eye(2)[labels]
    trained, bias = numpy.zeros((len(words), 2)), numpy.zeros(2)
    for _ in range(300):
        scores = numpy.exp(inputs @ trained + bias)
        error = scores / scores.sum(axis=1, keepdims=True) - wanted
        trained -= 0.5 * inputs.T @ error / len(rows)
        bias -= 0.5 * error.mean(axis=0)
    weights = random.integers(-9999, 10000, (WORDS, 2)) / 1_000_000
    weights[[word_index(word) for word in words]] = numpy.round(trained, 3)
    return weights.astype("<f4"), numpy.round(bias, 3).astype("<f4")


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A protobuf field: an int as a varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name, array):  # TensorProto: dims 1, data_type 2 (1 = float), name 8, raw_data 9
    return b"".join(field(1, size) for size in array.shape) + field(2, 1) + field(8, name) + field(9, array.tobytes())


def node(kind, inputs, outputs):  # NodeProto: input 1, output 2, op_type 4
    return b"".join([*(field(1, i) for i in inputs), *(field(2, o) for o in outputs), field(4, kind)])


def value(name, *shape):  # ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 } } }
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def main(path):
    weights, bias = train()
    graph = b"".join([  # GraphProto: node 1, name 2, initializer 5, input 11, output 12
        field(1, node("Gemm", ["words", "weights", "bias"], ["raw"])),
        field(1, node("Softmax", ["raw"], ["scores"])),
        field(2, "mood"),
        field(5, tensor("weights", weights)),
        field(5, tensor("bias", bias)),
        field(11, value("words", 1, WORDS)),
        field(12, value("scores", 1, 2)),
    ])
    opset = field(1, "") + field(2, 13)  # OperatorSetIdProto: domain 1, version 2
    with open(path, "wb") as file:  # ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8
        file.write(field(1, 8) + field(2, "make_model.py") + field(7, graph) + field(8, opset))


if __name__ == "__main__":
    main(sys.argv[1])
