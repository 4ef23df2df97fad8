/** clamd itself, with one signature. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/support/tools.ts";
import { directoryWith, freePort, serve } from "../../dns/test-support.ts";
import { SpooledContent } from "../../message/spooled-content.ts";
import { EICAR, filterWith, inbound, letter, listens } from "./engine-for-tests.ts";

const LIMIT = 3 * 1_048_576;

async function runningClamd(t: TestContext): Promise<{ path: string; address: string }> {
  const port = await freePort();
  const directory = await directoryWith(t, {});
  await mkdir(`${directory}/db`);
  // An extended signature: name, any type of file, any offset, the bytes.
  await writeFile(`${directory}/db/test.ndb`, `Eicar-Test:0:*:${Buffer.from(EICAR).toString("hex")}\n`);
  const settings = [
    `DatabaseDirectory ${directory}/db`,
    "OfficialDatabaseOnly no",
    `LocalSocket ${directory}/socket`,
    `TCPSocket ${port}`,
    "TCPAddr 127.0.0.1",
    "Foreground yes",
    `User ${userInfo().username}`,
    `StreamMaxLength ${LIMIT}`,
    "MaxThreads 2",
  ];
  await writeFile(`${directory}/clamd.conf`, `${settings.join("\n")}\n`);
  await serve(t, "clamd", ["-c", `${directory}/clamd.conf`], () => listens({ path: `${directory}/socket` }));
  return { path: `${directory}/socket`, address: `127.0.0.1:${port}` };
}

/** A message in a file of its own, as a large one lies while it is received. */
async function spooled(t: TestContext, size: number, tail: string): Promise<SpooledContent> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-clamd-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "message");
  const file = await open(path, "wx+");
  const head = letter("large", "");
  await file.write(head);
  const line = Buffer.from(`${"x".repeat(76)}\r\n`.repeat(1024));
  let written = head.length;
  for (; written + line.length + tail.length < size; written += line.length) await file.write(line);
  await file.write(tail);
  return new SpooledContent(file, path, written + tail.length);
}

test("clamd gets the message in chunks over a socket file or TCP, and what it finds is refused", async (t) => {
  if (!needs(t, "clamd")) return;
  const { path, address } = await runningClamd(t);
  for (const place of [path, `unix:${path}`, address]) {
    await t.test(
      `a virus is refused by its name (${place === address ? "TCP" : "socket file"})`,
      async () => {
        const filter = filterWith([{ type: "clamd", address: place }]);
        const verdict = await filter.inspect(inbound(letter("hi", `${EICAR}\r\n`)));
        assert.deepEqual(verdict.action, {
          kind: "reject",
          code: 550,
          status: "5.7.1",
          text: "Rejected: this message has a virus (Eicar-Test.UNOFFICIAL)",
        });
        assert.equal((await filter.inspect(inbound(letter("hi")))).action.kind, "accept");
      },
    );
  }
  await t.test("onVirus keeps it in the quarantine instead", async () => {
    const filter = filterWith([{ type: "clamd", address, onVirus: "quarantine" }]);
    assert.equal((await filter.inspect(inbound(letter("hi", `${EICAR}\r\n`)))).action.kind, "quarantine");
  });
  await t.test("a large message is read from its file, a virus at its end found", async () => {
    const content = await spooled(t, 2 * 1_048_576, `${EICAR}\r\n`);
    const filter = filterWith([{ type: "clamd", address: path }]);
    assert.equal((await filter.inspect(inbound("", { content }))).action.kind, "reject");
    await content.dispose();
  });
  await t.test("what goes beyond StreamMaxLength is delivered with a finding that says so", async () => {
    const content = await spooled(t, LIMIT + 1_048_576, `${EICAR}\r\n`);
    const filter = filterWith([{ type: "clamd", address, onFailure: "tempfail" }]);
    const verdict = await filter.inspect(inbound("", { content }));
    assert.equal(verdict.findings[0]?.symbol, "CLAMD_TOO_LARGE");
    assert.equal(verdict.action.kind, "accept");
    await content.dispose();
  });
  await t.test("what is larger than largestBytes is not sent at all", async () => {
    const content = await spooled(t, 1_048_576, `${EICAR}\r\n`);
    const filter = filterWith([{ type: "clamd", address, largestBytes: 100_000 }]);
    const verdict = await filter.inspect(inbound("", { content }));
    assert.match(verdict.findings[0]?.reason ?? "", /not examined: larger than the 100000 bytes/);
    assert.equal(filter.asked[0]?.outcome, "too large");
    await content.dispose();
  });
});
