/**
 * Is the mail volume there? A marker file on it carries its name; the state volume remembers that name. When
 * the state knows one and the marker is absent, the volume is not mounted: that is an error, never an empty
 * mailbox and never a reason to make directories below the mount point.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { StoreError } from "../mail-store.ts";
import { errorCode, makeDirectory, storeError, writeFileDurably } from "./durable.ts";

const MARKER = ".mailkeep-volume";

export class Volume {
  readonly #marker: string;
  readonly id: string;

  private constructor(marker: string, id: string) {
    this.#marker = marker;
    this.id = id;
  }

  /** Finds the marker, or makes it on the first start. `state` is the store's own folder on the state volume. */
  static async open(mail: string, state: string): Promise<Volume> {
    const marker = `${mail}/${MARKER}`;
    await makeDirectory(state);
    const remembered = readOptional(`${state}/volume`);
    let id = readOptional(marker);
    if (id === undefined) {
      if (remembered !== undefined) throw absent(marker);
      id = randomUUID();
      await makeDirectory(mail);
      await writeFileDurably(marker, `${id}\n`);
    }
    if (remembered !== id) await writeFileDurably(`${state}/volume`, `${id}\n`);
    return new Volume(marker, id);
  }

  /** Throws "unavailable" when the volume went away. */
  check(): void {
    if (readOptional(this.#marker) === undefined) throw absent(this.#marker);
  }
}
function absent(marker: string): StoreError {
  return new StoreError(
    "unavailable",
    `The mail volume is not mounted: ${marker} is absent. Mount it; if its mail was put here without that file on purpose, create it (empty).`,
  );
}
function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw storeError(error, `Reading ${path}`);
  }
}
