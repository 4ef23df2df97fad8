import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type MessageContent, memoryContent } from "../../message/content.ts";
import { field } from "./file-name.ts";
import { writeMessage } from "./message-writer.ts";

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-writer-"));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, "tmp"));
  return directory;
}
/** A message that is in no memory, and how often it was read whole. */
function streamed(bytes: Buffer, lineEnds: "crlf" | undefined): { content: MessageContent; reads: number } {
  const counted = {
    reads: 0,
    content: {
      ...memoryContent(bytes, lineEnds),
      buffer: undefined,
      async *chunks() {
        counted.reads++;
        for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
      },
    } satisfies MessageContent,
  };
  return counted;
}

for (const [lineEnds, reads] of [
  ["crlf", 1],
  [undefined, 2],
] as const) {
  test(`A message ${lineEnds === "crlf" ? "whose line ends were seen on arrival is read once" : "of unknown line ends is read once more to count them"}`, async (t) => {
    const bytes = Buffer.from("Subject: lines\r\n\r\none\r\ntwo\r\n");
    const source = streamed(bytes, lineEnds);
    const written = await writeMessage(await folder(t), Buffer.from("A: b\r\n"), source.content, Date.now());
    assert.equal(source.reads, reads);
    assert.equal((await readFile(written.temporary, "latin1")).slice(6), bytes.toString("latin1"));
    assert.equal(field(written.base, "S"), bytes.length + 6);
    assert.equal(field(written.base, "W"), bytes.length + 6);
  });
}

test("A bare LF of a message of unknown line ends counts as two bytes in W, from memory and from a file", async (t) => {
  const bytes = Buffer.from("Subject: lines\n\none\r\ntwo\n");
  for (const content of [memoryContent(bytes), streamed(bytes, undefined).content]) {
    const written = await writeMessage(await folder(t), undefined, content, Date.now());
    assert.equal(written.size, bytes.length);
    assert.equal(written.crlfSize, bytes.length + 3);
    assert.equal(field(written.base, "W"), bytes.length + 3);
  }
});
