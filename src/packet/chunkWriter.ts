/** Takes finished bytes, in order. The chunk is the receiver's to keep. */
export type ChunkSink = (chunk: Uint8Array) => void;

const CHUNK = 1 << 18;

/** Collects small writes into chunks. */
export class ChunkWriter {
  readonly #sink: ChunkSink;
  #chunk = new Uint8Array(CHUNK);
  #used = 0;

  constructor(sink: ChunkSink) {
    this.#sink = sink;
  }

  /** Room for `length` zero bytes at the end of what was written, to be filled in at once. */
  take(length: number): { readonly bytes: Uint8Array; readonly view: DataView } {
    if (this.#used + length > this.#chunk.length) {
      this.flush();
      this.#chunk = new Uint8Array(Math.max(CHUNK, length));
    }
    const bytes = this.#chunk.subarray(this.#used, this.#used + length);
    this.#used += length;
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, length) };
  }

  /** Hands over what is there. */
  flush(): void {
    if (this.#used === 0) return;
    this.#sink(this.#chunk.subarray(0, this.#used));
    this.#chunk = new Uint8Array(CHUNK);
    this.#used = 0;
  }
}
