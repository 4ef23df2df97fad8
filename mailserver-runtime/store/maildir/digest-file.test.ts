/** What is kept of messages beside them is right, or is not there; whatever happens to its file. */
import assert from "node:assert/strict";
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { silentLog } from "../../net/log.ts";
import { DigestFile, packBytes, packedBytes } from "./digest-file.ts";
import { SegmentCache } from "./segment-cache.ts";

const COUNT = 3000;
/** Of different lengths, each its own; 6 MB together. */
const textOf = (uid: number) => Buffer.from(`${uid}:${"x".repeat(uid % 4000)}`);

describe("digests in a file", () => {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-digests-"));
  const path = join(directory, "deep", "digests");
  const open = (options: { uidValidity?: number; messages?: number; cacheBytes?: number } = {}) =>
    new DigestFile({
      path,
      cache: new SegmentCache(options.cacheBytes ?? 2_000_000),
      log: silentLog,
      identity: () => ({
        uidValidity: options.uidValidity ?? 7,
        guid: "guid",
        messages: options.messages ?? COUNT,
      }),
    });
  const fill = async (file: DigestFile) => {
    // As many readers at once would.
    const uids = Array.from({ length: COUNT }, (_, index) => index + 1);
    await Promise.all(uids.map((uid) => file.keep(uid, packBytes(textOf(uid)))));
  };
  /** How many there are; each must be what was kept. */
  const right = async (file: DigestFile) => {
    let found = 0;
    await Promise.all(
      Array.from({ length: COUNT }, async (_, index) => {
        const words = await file.find(index + 1);
        if (words === undefined) return;
        assert.deepEqual(packedBytes(words), textOf(index + 1), `digest ${index + 1}`);
        found += 1;
      }),
    );
    let seen = 0;
    await file.scan((uid, words, at, length) => {
      assert.deepEqual(packedBytes(words.subarray(at, at + length)), textOf(uid));
      seen += 1;
    });
    assert.equal(seen, found);
    return found;
  };
  before(async () => {
    const file = open();
    assert.equal(await file.begun(), false);
    await fill(file);
    assert.equal(await right(file), COUNT);
    await file.close();
  });
  after(() => rmSync(directory, { recursive: true }));

  test("outlive a restart, and are read again where memory has no room for them", async () => {
    for (const cacheBytes of [10_000_000, 1_500_000, 0]) {
      const file = open({ cacheBytes });
      assert.equal(await file.begun(), true);
      assert.equal(await right(file), COUNT);
      await file.close();
    }
  });

  test("of a file that was cut anywhere are those before the cut, and the rest can be kept again", async () => {
    const { size } = statSync(path);
    for (const cut of [size - 1, size - 4097, size >> 1]) {
      truncateSync(path, cut);
      const file = open();
      assert.ok((await right(file)) < COUNT);
      await fill(file);
      assert.equal(await right(file), COUNT);
      await file.close();
    }
  });

  test("behind a flipped bit are not believed, also when it flips while the file is open", async () => {
    const flip = (at: number) => {
      const bytes = readFileSync(path);
      bytes[at]! ^= 16;
      writeFileSync(path, bytes);
    };
    const file = open({ cacheBytes: 0 });
    assert.equal(await right(file), COUNT);
    flip(3_000_000);
    const left = await right(file);
    assert.ok(left > 0 && left < COUNT, `${left}`);
    await file.close();
    const again = open();
    assert.ok((await right(again)) < COUNT);
    await fill(again);
    assert.equal(await right(again), COUNT);
    await again.close();
  });

  test("of another UIDVALIDITY, or mostly of messages that are gone, are begun anew", async () => {
    const gone = open({ messages: 900 });
    assert.equal(await right(gone), 0);
    await fill(gone);
    await gone.close();
    const other = open({ uidValidity: 8 });
    assert.equal(await right(other), 0);
    await other.close();
    assert.ok(statSync(path).size < 100);
  });

  test("that cannot be written are only missing", async () => {
    unlinkSync(path);
    const file = open();
    await file.uids();
    unlinkSync(path);
    await fill(file);
    assert.equal(file.closed, true);
    assert.equal(await right(file), 0);
    await file.close();
  });
});
