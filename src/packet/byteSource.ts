/** Bytes in order, from memory, a file or a stream: what a capture is read from. */
export interface ByteSource {
  /**
   * Writes at least one byte to the start of `into` and gives how many; 0 at the end. May throw (or reject with) a ProblemError, once the bytes before the
   * fault have been given.
   */
  read(into: Uint8Array): number | Promise<number>;
  /** All that will come, where it is known. */
  readonly size?: number;
  close(): void | Promise<void>;
}

export function bytesFromMemory(bytes: Uint8Array): ByteSource {
  let at = 0;
  return {
    size: bytes.length,
    read(into) {
      const count = Math.min(into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return count;
    },
    close() {},
  };
}

/** Bytes of a stream, chunk by chunk. `close` ends the stream early. */
export function bytesFromStream(chunks: AsyncIterable<Uint8Array>): ByteSource {
  const iterator = chunks[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array(0);
  let at = 0;
  const take = (into: Uint8Array): number => {
    const count = Math.min(into.length, chunk.length - at);
    into.set(chunk.subarray(at, at + count));
    at += count;
    return count;
  };
  let isReading = false;
  let endReading = (): void => {};
  const closed = new Promise<{ done: true }>((resolve) => {
    endReading = () => resolve({ done: true });
  });
  const pull = async (into: Uint8Array): Promise<number> => {
    while (at === chunk.length) {
      isReading = true;
      const next = await Promise.race([iterator.next(), closed]);
      isReading = false;
      if (next.done === true) return 0;
      chunk = next.value;
      at = 0;
    }
    return take(into);
  };
  return {
    read: (into) => (at < chunk.length ? take(into) : pull(into)),
    close: async () => {
      const isWaiting = isReading;
      endReading();
      const returned = iterator.return?.();
      // An async generator returns only when what it waits for has come, which may be never: the read that waits ends now, with 0.
      if (isWaiting) returned?.catch(() => {});
      else await returned;
    },
  };
}

/** `first`, then what `rest` still has. */
export function bytesAfter(first: Uint8Array, rest: ByteSource): ByteSource {
  const beginning = bytesFromMemory(first);
  return {
    ...(rest.size === undefined ? {} : { size: rest.size }),
    read(into) {
      const count = beginning.read(into);
      return count === 0 ? rest.read(into) : count;
    },
    close: () => rest.close(),
  };
}

/** Chunks in order, each let go once it was read, then what `rest` still has. */
export function bytesInOrder(chunks: readonly Uint8Array[], rest: ByteSource): ByteSource {
  const waiting = [...chunks].reverse();
  let first = bytesFromMemory(new Uint8Array(0));
  return {
    read(into) {
      for (;;) {
        const count = first.read(into);
        if (count !== 0) return count;
        const chunk = waiting.pop();
        if (chunk === undefined) return rest.read(into);
        first = bytesFromMemory(chunk);
      }
    },
    close: () => rest.close(),
  };
}

/** Goes on with a value that may still be on its way, at once where it is there. */
export function whenThere<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
