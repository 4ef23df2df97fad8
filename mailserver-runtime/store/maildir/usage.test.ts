import assert from "node:assert/strict";
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { freshDirectory } from "./test-store.ts";
import { AccountUsage } from "./usage.ts";

const SIZE = 10;
const file = (base: string) => ({ base, bytes: SIZE });
const nameOf = (letter: string) => `${letter},S=${SIZE},W=${SIZE}`;

test("A count that runs between a message's rename and its counting counts it once, and what goes meanwhile not at all", async (t) => {
  const folder = freshDirectory(t);
  for (const part of ["new", "cur"]) mkdirSync(`${folder}/${part}`);
  const put = (letter: string) => writeFileSync(`${folder}/new/${nameOf(letter)}`, "");
  const take = (letter: string) => unlinkSync(`${folder}/new/${nameOf(letter)}`);
  const usage = new AccountUsage();
  const counts = () => usage.get(() => [folder]);
  const stands = async (messages: number) => {
    const found = await counts();
    assert.deepEqual(usage.counted, { bytes: messages * SIZE, messages });
    return found;
  };
  put("a");
  // In place before the count, durable after it.
  put("b");
  usage.enter(nameOf("b"));
  await stands(1);
  usage.entered([file(nameOf("b"))]);
  await stands(2);

  for (const isSeen of [true, false]) {
    usage.forget();
    put("c");
    usage.enter(nameOf("c"));
    const counting = counts();
    if (!isSeen) await counting.then(() => usage.forget());
    // Durable while it is counted, and then gone.
    const again = counts();
    usage.entered([file(nameOf("c"))]);
    await again;
    await stands(3);
    usage.forget();
    const last = counts();
    take("c");
    usage.left([file(nameOf("c"))]);
    await last;
    await stands(2);
  }

  // Taken back while it is counted.
  usage.forget();
  put("d");
  usage.enter(nameOf("d"));
  const counting = counts();
  take("d");
  usage.gaveUp(nameOf("d"));
  await counting;
  await stands(2);
  // What is forgotten while it is counted is counted again.
  usage.forget();
  const stale = counts();
  usage.forget();
  await stale;
  assert.equal(usage.counted, undefined);
  put("e");
  await stands(3);
});
