// Large outputs, kept by the hash of their content.

export interface Blobs {
  /** Stores the bytes and answers `sha256:<hex>`. Storing the same bytes again is free. */
  readonly put: (bytes: Buffer) => Promise<string>;
  /** The bytes of a reference, or undefined when there are none. */
  readonly get: (reference: string) => Promise<Buffer | undefined>;
}
