/** Annotations in the Maildir store: they last, go with their folder, and a damaged line costs itself alone. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { StoreError } from "../mail-store.ts";
import { freshDirectory, freshStore, openIn } from "./test-store.ts";

const USER = "anna@example.org";
const set = (entries: Record<string, string | null>) =>
  new Map(Object.entries(entries).map(([name, value]) => [name, value === null ? null : Buffer.from(value)]));

describe("annotations", () => {
  it("are there after a restart, of mailboxes and of the account apart (RFC 5464 §3.1)", async (t) => {
    const root = freshDirectory(t);
    const first = await openIn(root);
    const account = await first.account(USER);
    const binary = Buffer.from([0, 10, 9, 255]);
    await account.setMetadata("INBOX", new Map([["/private/a", binary]]));
    await account.setMetadata("", set({ "/private/a": "of the account" }));
    account.release();
    await first.close();

    const second = await openIn(root);
    t.after(() => second.close());
    const again = await second.account(USER);
    assert.deepEqual((await again.metadata("INBOX")).get("/private/a"), binary);
    assert.equal((await again.metadata("")).get("/private/a")?.toString(), "of the account");
    again.release();
  });

  it("go with a folder that is renamed, and end with one that is deleted (RFC 5464 §1)", async (t) => {
    const { store } = await freshStore(t);
    const account = await store.account(USER);
    await account.create("Old");
    await account.create("Old.Child");
    await account.setMetadata("Old", set({ "/private/a": "1" }));
    await account.setMetadata("Old.Child", set({ "/private/a": "2" }));
    await account.rename("Old", "New");
    assert.equal((await account.metadata("New")).get("/private/a")?.toString(), "1");
    assert.equal((await account.metadata("New.Child")).get("/private/a")?.toString(), "2");
    await assert.rejects(
      account.metadata("Old"),
      (error) => error instanceof StoreError && error.code === "nonexistent",
    );
    await account.delete("New");
    await account.create("New");
    assert.equal((await account.metadata("New")).size, 0);
    account.release();
  });

  it("leave no file behind when the last is removed, and changes of one moment do not lose each other", async (t) => {
    const { root, store } = await freshStore(t);
    const account = await store.account(USER);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        account.setMetadata("INBOX", set({ [`/private/n${index}`]: "x" })),
      ),
    );
    const all = await account.metadata("INBOX");
    assert.equal(all.size, 20);
    await account.setMetadata("INBOX", new Map([...all.keys()].map((name) => [name, null])));
    assert.equal(existsSync(`${root}/mail/example.org/anna/mailkeep-metadata`), false);
    account.release();
  });

  it("survive a damaged line beside them", async (t) => {
    const { root, store } = await freshStore(t);
    const account = await store.account(USER);
    const file = `${root}/mail/example.org/anna/mailkeep-metadata`;
    writeFileSync(file, "mailkeep 1\n/private/a\teA==\nnonsense\n\t\n");
    appendFileSync(file, Buffer.from([0xff, 0x00, 0x0a]));
    assert.deepEqual([...(await account.metadata("INBOX"))], [["/private/a", Buffer.from("x")]]);
    account.release();
  });

  it("are told to who listens", async (t) => {
    const { store } = await freshStore(t);
    const account = await store.account(USER);
    const told: unknown[] = [];
    const stop = account.onChange((change) => told.push(change));
    await account.setMetadata("INBOX", set({ "/private/a": "x", "/private/b": null }));
    stop();
    assert.deepEqual(told, [{ kind: "metadata", mailbox: "INBOX", entries: ["/private/a", "/private/b"] }]);
    account.release();
  });
});
