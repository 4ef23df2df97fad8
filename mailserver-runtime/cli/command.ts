/** What every command gets and gives. */
import type { Directories } from "../settings/directories.ts";

export interface CommandContext {
  readonly directories: Directories;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  out(text: string): void;
  err(text: string): void;
}

/** A command that cannot be done; the message is printed and the process ends with this code. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
