/** Rows of the conformance tables, and how they run: each is a conversation in a session of its own. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { silentLog } from "../../net/log.ts";
import { serveImap } from "../serve.ts";
import type { ImapDependencies } from "../session.ts";
import type { MemoryStore } from "./memory-store.ts";
import { ScriptConnection } from "./script-connection.ts";
import { PASSWORD, testAuthenticator, USER } from "./server.ts";

export interface Row {
  readonly rfc: string;
  readonly says: string;
  readonly client: readonly string[];
  /** In this order: a string is a whole line, a RegExp a part of one. */
  readonly expect: readonly (string | RegExp)[];
  /** Must not be in the answer at all. */
  readonly never?: readonly RegExp[];
  /** Without LOGIN in front, and without TLS where "plain". */
  readonly before?: "login" | "plain";
}

export interface Setting {
  readonly store: () => MemoryStore;
  readonly dependencies?: Partial<ImapDependencies>;
}

async function converse(row: Row, setting: Setting): Promise<string> {
  const login = row.before ? [] : [`login LOGIN ${USER} "${PASSWORD}"`];
  const input = [...login, ...row.client].map((line) => `${line}\r\n`).join("");
  const connection = new ScriptConnection(Buffer.from(input, "utf8"), row.before !== "plain");
  await serveImap(connection, {
    store: setting.store(),
    authenticator: testAuthenticator,
    hostname: "mail.example",
    log: silentLog,
    limits: { failedLoginDelay: 1, message: 1_000_000 },
    ...setting.dependencies,
  });
  return connection.output.toString("utf8");
}

/** One test for each row. */
export function testRows(rows: readonly Row[], setting: Setting): void {
  for (const row of rows) {
    it(`${row.says} (RFC ${row.rfc})`, async () => {
      const output = await converse(row, setting);
      const lines = output.split("\r\n");
      let at = 0;
      for (const expected of row.expect) {
        const found = lines.findIndex(
          (line, index) =>
            index >= at && (typeof expected === "string" ? line === expected : expected.test(line)),
        );
        assert.ok(found >= 0, `expected ${String(expected)} after line ${at} of:\n${output}`);
        at = found + 1;
      }
      for (const pattern of row.never ?? []) {
        assert.doesNotMatch(lines.filter((line) => !line.startsWith("login ")).join("\n"), pattern);
      }
    });
  }
}
