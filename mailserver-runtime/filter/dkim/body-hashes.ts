/** SHA-256 of a message's body in every form its signatures ask for, in one pass over the bytes (RFC 6376 §3.4.3 to §3.4.5). */
import { createHash, type Hash } from "node:crypto";
import type { MessageContent } from "../../message/content.ts";
import { RelaxedBody } from "./canonicalization.ts";
import type { Canonicalization } from "./signature.ts";
import { SimpleBody } from "./simple-body.ts";

export interface BodyForm {
  readonly bodyForm: Canonicalization;
  /** Canonical bytes that count; undefined: all. */
  readonly bodyLength: number | undefined;
}
export interface BodyHash {
  readonly hash: Buffer;
  /** Bytes of the whole canonical body. */
  readonly length: number;
}

/** The hashes in the order of `forms`; equal forms are hashed once. */
export async function bodyHashes(
  content: MessageContent,
  start: number,
  forms: readonly BodyForm[],
): Promise<readonly BodyHash[]> {
  const counters = new Map<string, LimitedHash>();
  const machines: Partial<
    Record<Canonicalization, { readonly machine: RelaxedBody | SimpleBody; into: LimitedHash[] }>
  > = {};
  for (const { bodyForm, bodyLength } of forms) {
    const key = keyOf(bodyForm, bodyLength);
    if (counters.has(key)) continue;
    const counter = new LimitedHash(bodyLength);
    counters.set(key, counter);
    const known = machines[bodyForm];
    if (known !== undefined) {
      known.into.push(counter);
      continue;
    }
    const into = [counter];
    const emit = (bytes: Buffer) => {
      for (const each of into) each.update(bytes);
    };
    machines[bodyForm] = {
      machine: bodyForm === "relaxed" ? new RelaxedBody(emit) : new SimpleBody(emit),
      into,
    };
  }
  const all = Object.values(machines);
  const write = (chunk: Buffer) => {
    for (const { machine } of all) machine.write(chunk);
  };
  if (content.buffer !== undefined) write(content.buffer.subarray(start));
  else for await (const chunk of content.chunks(start)) write(chunk);
  for (const { machine } of all) machine.end();
  const done = new Map([...counters].map(([key, counter]) => [key, counter.digest()]));
  return forms.map(({ bodyForm, bodyLength }) => done.get(keyOf(bodyForm, bodyLength))!);
}

class LimitedHash {
  readonly #hash: Hash = createHash("sha256");
  #left: number;
  #length = 0;

  constructor(limit: number | undefined) {
    this.#left = limit ?? Number.POSITIVE_INFINITY;
  }
  update(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#left <= 0) return;
    this.#hash.update(bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left));
    this.#left -= bytes.length;
  }
  digest(): BodyHash {
    return { hash: this.#hash.digest(), length: this.#length };
  }
}

function keyOf(form: Canonicalization, length: number | undefined): string {
  return `${form} ${length ?? ""}`;
}
