import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AccountDirectory } from "./account-directory.ts";
import { FRONT, type ProcessNumber } from "./calls.ts";

const ann = "ann@example.org";

test("an account that nobody has is given to whoever asks, and deliveries go to its owner", async () => {
  const directory = new AccountDirectory(() => Promise.reject(new Error("nobody is asked")));
  assert.equal(directory.ownerOf(ann, 2, "delivery"), 2);
  assert.equal(directory.ownerOf(ann, 1, "delivery"), 2);
  assert.equal(directory.ownerOf(ann, 2, "session"), 2);
  assert.equal(directory.counts().get(2), 1);
});

test("a session takes an account over only when its owner has let it go", async () => {
  let free = false;
  const asked: ProcessNumber[] = [];
  const directory = new AccountDirectory(async (owner) => {
    asked.push(owner);
    await turn();
    return free;
  });
  directory.ownerOf(ann, 1, "session");
  assert.equal(await directory.ownerOf(ann, 2, "session"), 1, "it is in use");
  free = true;
  const taken = directory.ownerOf(ann, 2, "session");
  const meanwhile = directory.ownerOf(ann, 3, "delivery");
  assert.deepEqual([await taken, await meanwhile], [2, 2], "who asks meanwhile hears the new owner");
  assert.deepEqual(asked, [1, 1]);
});

test("the accounts of a process that dies are nobody's, those of one that ends are given away when it has", async () => {
  const directory = new AccountDirectory(async () => false);
  directory.ownerOf(ann, 1, "session");
  directory.gone(1);
  assert.equal(directory.ownerOf("eve@example.org", 1, "delivery"), FRONT, "its last question came late");
  assert.equal(directory.ownerOf(ann, 2, "delivery"), 2);
  const end = Promise.withResolvers<void>();
  directory.ending(2, end.promise);
  let owner: ProcessNumber | undefined;
  const asking = Promise.resolve(directory.ownerOf(ann, 3, "delivery")).then((now) => {
    owner = now;
  });
  await turn();
  assert.equal(owner, undefined, "it may still be writing");
  assert.equal(directory.ownerOf("ben@example.org", 2, "delivery"), FRONT, "who ends takes nothing new");
  directory.gone(2);
  end.resolve();
  await asking;
  assert.equal(owner, 3);
});
