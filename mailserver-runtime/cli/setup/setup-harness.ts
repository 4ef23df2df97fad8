/** Runs `setup` in a test: a line of words in, exit code and output out. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Directories } from "../../settings/directories.ts";
import { setupCommand } from "./setup.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
export interface SetupOptions {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
}

/** The commands on the directories of the test that runs. */
export function setupIn(directories: () => Directories) {
  async function setup(line: string, options: SetupOptions = {}): Promise<Outcome> {
    let out = "";
    let err = "";
    const code = await setupCommand(
      {
        directories: directories(),
        version: "1",
        env: options.env ?? {},
        stdin: Readable.from([options.stdin ?? ""]) as unknown as NodeJS.ReadableStream,
        out: (text) => {
          out += `${text}\n`;
        },
        err: (text) => {
          err += `${text}\n`;
        },
      },
      line.split(" ").filter((word) => word !== ""),
    );
    return { code, out, err };
  }

  const file = (name: string) => readFile(join(directories().config, name), "utf8");
  const put = (name: string, text: string) => writeFile(join(directories().config, name), text);

  /** Runs the command, which must fail with exit code 1 and say this. */
  async function fails(line: string, text: RegExp, options?: SetupOptions): Promise<void> {
    const { code, err } = await setup(line, options);
    assert.equal(code, 1, `${line}: ${err}`);
    assert.match(err, text, line);
  }
  async function works(line: string, options?: SetupOptions): Promise<string> {
    const { code, out, err } = await setup(line, options);
    assert.equal(code, 0, `${line}: ${err}`);
    return out;
  }
  return { setup, works, fails, file, put };
}
