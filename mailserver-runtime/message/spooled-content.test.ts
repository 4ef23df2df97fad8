import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { clearSpool, SpooledContent, SpoolWriter } from "./spooled-content.ts";

async function spoolDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-spool-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

test("a message reads the same from memory and from its file, whatever pieces it came in", async (t) => {
  const directory = await spoolDirectory(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 30 }),
      fc.nat(40_000),
      async (pieces, at) => {
        const expected = Buffer.concat(pieces);
        for (const memoryLimit of [100, 10_000_000]) {
          const writer = new SpoolWriter({ directory, memoryLimit });
          for (const piece of pieces) {
            writer.add(Buffer.from(piece));
            if (writer.full) await writer.relieve();
          }
          const content = await writer.finish();
          assert.equal(content.size, expected.length);
          assert.deepEqual(await gathered(content.chunks()), expected);
          const start = Math.min(at, expected.length);
          assert.deepEqual(
            Buffer.from(await content.read(start, 100)),
            expected.subarray(start, start + 100),
          );
          assert.deepEqual(
            await gathered(content.chunks(start, start + 70_000)),
            expected.subarray(start, start + 70_000),
          );
          await content.dispose();
          await content.dispose();
        }
      },
    ),
    { numRuns: 60 },
  );
  assert.deepEqual(await readdir(directory), []);
});

test("a read that began before dispose ends well, and one after it is refused", async (t) => {
  const directory = await spoolDirectory(t);
  const writer = new SpoolWriter({ directory, memoryLimit: 10 });
  writer.add(Buffer.alloc(200_000, 65));
  await writer.relieve();
  const content = await writer.finish();
  assert.ok(content instanceof SpooledContent);
  let length = 0;
  for await (const chunk of content.chunks()) {
    length += chunk.length;
    await content.dispose();
  }
  assert.equal(length, 200_000);
  await assert.rejects(content.read(0, 1));
  assert.deepEqual(await readdir(directory), []);
});

test("a discarded message leaves no file, and neither does a dead process after the next start", async (t) => {
  const directory = await spoolDirectory(t);
  const writer = new SpoolWriter({ directory, memoryLimit: 10 });
  writer.add(Buffer.alloc(200_000, 65));
  await writer.relieve();
  assert.equal((await readdir(directory)).length, 1);
  await writer.discard();
  assert.deepEqual(await readdir(directory), []);
  await writeFile(join(directory, "incoming-0123456789abcdef01234567"), "left behind");
  await writeFile(join(directory, "somebody-else"), "stays");
  await clearSpool(directory);
  assert.deepEqual(await readdir(directory), ["somebody-else"]);
});

test("single bytes are packed, not kept as objects", () => {
  const writer = new SpoolWriter({ directory: "/nowhere" });
  const before = process.memoryUsage();
  const byte = Buffer.from("x");
  for (let count = 0; count < 200_000; count++) writer.add(byte);
  const after = process.memoryUsage();
  assert.equal(writer.size, 200_000);
  assert.ok(after.external - before.external < 5_000_000);
});

test("when many messages come at once, small ones go to files before memory is filled", async (t) => {
  const directory = await spoolDirectory(t);
  const writers = Array.from({ length: 400 }, () => new SpoolWriter({ directory }));
  const piece = Buffer.alloc(200_000, 65);
  let waiting = 0;
  for (const writer of writers) {
    writer.add(piece);
    if (writer.full) waiting++;
  }
  assert.ok(waiting > 0 && waiting < writers.length, `${waiting} of ${writers.length} were told to write`);
  const last = writers.at(-1)!;
  await last.relieve();
  assert.ok((await last.finish()) instanceof SpooledContent);
  await Promise.all(writers.slice(0, -1).map((writer) => writer.discard()));
  const alone = new SpoolWriter({ directory });
  alone.add(piece);
  assert.equal(alone.full, false);
  await alone.discard();
});
