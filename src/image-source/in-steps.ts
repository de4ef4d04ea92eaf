const piece = 4096;

/** Passes packed bytes on in pieces so small that it can be told what each one gives. */
export async function* inSteps(
  packed: AsyncIterable<Buffer>,
  onPacked: (bytes: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of packed) {
    for (let at = 0; at < chunk.length; at += piece) {
      const part = chunk.subarray(at, at + piece);
      onPacked(part.length);
      yield part;
    }
  }
}
