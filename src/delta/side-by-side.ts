/**
 * Two pieces of work at the same time, each with its own way to tell of bytes. Where one fails, the other ends at its next
 * bytes; the first error is thrown once both have ended, so that nothing is written behind the caller's back. It is late
 * where the other waits for a registry that says nothing: until that goes on or gives up.
 */
export async function sideBySide<A, B>(
  onBytes: (bytes: number) => void,
  first: (onBytes: (bytes: number) => void) => Promise<A>,
  second: (onBytes: (bytes: number) => void) => Promise<B>,
): Promise<[A, B]> {
  let failed: { error: unknown } | undefined;
  const count = (bytes: number) => {
    if (failed !== undefined) throw failed.error;
    onBytes(bytes);
  };
  const heard = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      failed ??= { error };
      throw error;
    }
  };
  const [a, b] = await Promise.allSettled([heard(first(count)), heard(second(count))]);
  if (failed !== undefined) throw failed.error;
  return [(a as PromiseFulfilledResult<A>).value, (b as PromiseFulfilledResult<B>).value];
}
