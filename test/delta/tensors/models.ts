/** Writes models by the descriptions of their formats alone, without anything of what is tested. */
export interface WrittenTensor {
  name: string;
  /** As each format calls it. */
  dtype: 'f32' | 'f16' | 'bf16' | 'i8' | 'q8_0';
  shape: number[];
  bytes: Buffer;
}

const safetensorsTypes = { f32: 'F32', f16: 'F16', bf16: 'BF16', i8: 'I8', q8_0: 'U8' };

/** https://github.com/huggingface/safetensors#format */
export function safetensors(tensors: readonly WrittenTensor[], metadata: Record<string, string> = {}): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    end += bytes.length;
    return [name, { dtype: safetensorsTypes[dtype], shape, data_offsets: [end - bytes.length, end] }];
  });
  const header = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  return Buffer.concat([uint64(text.length), text, ...tensors.map(({ bytes }) => bytes)]);
}

const ggufTypes = { f32: 0, f16: 1, q8_0: 8, i8: 24, bf16: 30 };

/** https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3. */
export function gguf(tensors: readonly WrittenTensor[], tokens: readonly string[] = []): Buffer {
  const text = (value: string) => Buffer.concat([uint64(Buffer.byteLength(value)), Buffer.from(value)]);
  const values = [
    Buffer.concat([text('general.architecture'), uint32(8), text('llama')]),
    Buffer.concat([text('general.alignment'), uint32(4), uint32(64)]),
    Buffer.concat([text('tokens'), uint32(9), uint32(8), uint64(tokens.length), ...tokens.map(text)]),
    Buffer.concat([text('scores'), uint32(9), uint32(6), uint64(2), uint32(1), uint32(2)]),
  ];
  let offset = 0;
  const padded = tensors.map(({ bytes }) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 63)]));
  const infos = tensors.map(({ name, dtype, shape }, at) => {
    const place = offset;
    offset += padded[at]!.length;
    const dimensions = shape.toReversed().map(uint64);
    return Buffer.concat([text(name), uint32(shape.length), ...dimensions, uint32(ggufTypes[dtype]), uint64(place)]);
  });
  const counts = [uint64(tensors.length), uint64(values.length)];
  const head = Buffer.concat([Buffer.from('GGUF'), uint32(3), ...counts, ...values, ...infos]);
  return Buffer.concat([head, Buffer.alloc(-head.length & 63), ...padded]);
}

const onnxTypes = { f32: 1, i8: 3, f16: 10, bf16: 16, q8_0: 2 };

/** https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; every other tensor is a constant of a node, in a graph of a branch. */
export function onnx(tensors: readonly WrittenTensor[], producer = 'test'): Buffer {
  const coded = tensors.map(({ name, dtype, shape, bytes }) =>
    Buffer.concat([
      ...shape.map((size) => number(1, size)),
      number(2, onnxTypes[dtype]),
      message(8, Buffer.from(name)),
      message(9, bytes),
    ]),
  );
  const constants = coded
    .filter((_, at) => at % 2 === 1)
    .map((tensor, at) => {
      const attribute = Buffer.concat([message(1, Buffer.from('value')), message(5, tensor), number(20, 4)]);
      return message(1, Buffer.concat([message(2, Buffer.from(`constant_${at}`)), message(5, attribute)]));
    });
  const branch = message(6, Buffer.concat(constants));
  const condition = message(1, Buffer.concat([message(2, Buffer.from('out')), message(5, branch)]));
  const initializers = coded.filter((_, at) => at % 2 === 0).map((tensor) => message(5, tensor));
  const graph = message(7, Buffer.concat([condition, message(2, Buffer.from('main')), ...initializers]));
  return Buffer.concat([number(1, 8), message(2, Buffer.from(producer)), graph, message(8, number(2, 17))]);
}

export const writers = { safetensors, gguf, onnx };

function message(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

function varint(value: number): Buffer {
  return Buffer.from(value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Numbers as trained ones are: around 0, of all sizes; the same for a seed. */
export function weights(count: number, seed: number): Float32Array {
  let state = seed * 7919 + 1;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * 0.1);
}

/** A step of training: each number a little other. */
export function tuned(values: Float32Array, by: number, seed: number): Float32Array {
  const steps = weights(values.length, seed);
  return values.map((value, at) => value + by * steps[at]!);
}

const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

export function asBytes(values: Float32Array, dtype: WrittenTensor['dtype']): Buffer {
  if (dtype === 'f32') return Buffer.from(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  if (dtype === 'bf16') return Buffer.from(Uint16Array.from(bits(values), (each) => (each + 0x8000) >>> 16).buffer);
  // Of its kind: a sign, five bits of exponent, ten more. What is too small for it is 0.
  if (dtype === 'f16') {
    const half = (each: number) => ((each >>> 16) & 0x8000) | Math.max(0, ((each & 0x7fffffff) >>> 13) - (112 << 10));
    return Buffer.from(Uint16Array.from(bits(values), half).buffer);
  }
  const quantised = Int8Array.from(values, (value) => Math.max(-127, Math.min(127, Math.round(value * 600))));
  if (dtype === 'i8') return Buffer.from(quantised.buffer);
  const blocks = Array.from({ length: values.length / 32 }, (_, at) =>
    Buffer.concat([Buffer.from([at, 0x20]), Buffer.from(quantised.subarray(32 * at, 32 * at + 32))]),
  );
  return Buffer.concat(blocks);
}

/** Three layers of numbers of every type that is given, 96 a row. */
export function sampleTensors(dtypes: readonly WrittenTensor['dtype'][], by = 0, rows = 64): WrittenTensor[] {
  return dtypes.flatMap((dtype, place) =>
    [0, 1, 2].map((layer): WrittenTensor => {
      const values = tuned(weights(rows * 96, 10 * place + layer), by, 99 + layer);
      return { name: `layers.${layer}.${dtype}.weight`, dtype, shape: [rows, 96], bytes: asBytes(values, dtype) };
    }),
  );
}
