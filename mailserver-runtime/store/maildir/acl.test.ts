/** Access control lists in the Maildir store: Dovecot's own file, what a folder inherits, and who is listed as sharing. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { AclChange, MailStore } from "../mail-store.ts";
import { formatAcl, parseAcl } from "./acl-file.ts";
import { dovecot, IMAP } from "./test-dovecot.ts";
import { freshDirectory, freshStore, missing, openIn } from "./test-store.ts";

const ANN = "ann@example.org";
const BEN = "ben@example.org";
const give = (identifier: string, rights: string): AclChange => ({ identifier, mode: "replace", rights });

async function share(store: MailStore, owner: string, mailbox: string, change: AclChange): Promise<void> {
  const account = await store.account(owner);
  await account.setAcl(mailbox, change);
  account.release();
}

describe("access control lists in a Maildir", () => {
  it("lines of dovecot-acl are read with quotes, names of rights and negative identifiers, and written back", () => {
    const file = parseAcl(
      [
        "owner lrwstipekxa",
        '"user=ben smith" lr',
        "-user=ben@example.org w",
        "group=staff lr :insert post",
        "group-override=temps",
        "anyone :lookup, read",
        "# a comment",
        "nonsense lr",
        "",
      ].join("\n"),
    );
    assert.deepEqual(
      [...file.acl],
      [
        ["owner", "lrwstipekxa"],
        ["ben smith", "lr"],
        ["-ben@example.org", "w"],
        ["$staff", "lrip"],
        ["!$temps", ""],
        ["anyone", "lr"],
      ],
    );
    assert.deepEqual(file.others, ["# a comment", "nonsense lr"]);
    assert.equal(
      formatAcl(file),
      '# a comment\nnonsense lr\nowner lrwstipekxa\n"user=ben smith" lr\n-user=ben@example.org w\ngroup=staff lrip\ngroup-override=temps \nanyone lr\n',
    );
  });

  it("a real Dovecot reads our lists, and we read its", async (t) => {
    const skip = missing(IMAP);
    if (skip !== undefined) return t.skip(skip);
    const settings = ["mail_plugins = acl imap_acl", "plugin {\n  acl = vfile\n  acl_anyone = allow\n}\n"];
    const root = freshDirectory(t);
    await dovecot(
      root,
      [
        "CREATE Work",
        `SETACL Work ${BEN} lrs`,
        "SETACL Work -carl@example.org w",
        "SETACL Work anyone l",
        `SETACL INBOX "user with space" lr`,
        "SETACL Work $staff lrwi",
      ],
      settings,
    );
    const store = await openIn(root);
    const account = await store.account(ANN);
    assert.deepEqual(
      new Map([...(await account.acl("Work"))].filter(([who]) => who !== "owner")),
      new Map([
        ["anyone", "l"],
        ["$staff", "lrwi"],
        [BEN, "lrs"],
        ["-carl@example.org", "w"],
      ]),
    );
    assert.equal((await account.acl("INBOX")).get("user with space"), "lr");
    assert.deepEqual(await store.sharedWith("dora@example.org"), [ANN]);
    await account.setAcl("Work", give("dora@example.org", "lrwstipekxa"));
    await account.setAcl("Work", give("anyone", ""));
    account.release();
    await store.close();
    const answers = await dovecot(root, ["GETACL Work", "GETACL INBOX"], settings);
    const list = /^\* ACL "?Work"? (.*)\r$/m.exec(answers)?.[1] ?? "";
    assert.match(list, /"?dora@example\.org"? akxeilprwtscd/);
    assert.match(list, /"?ben@example\.org"? lrs( |$)/);
    assert.match(list, /"?-carl@example\.org"? w( |$)/);
    assert.match(list, /\$staff"? ilrw/);
    assert.doesNotMatch(list, /anyone/);
    assert.match(answers, /"user with space" lr/);
  });

  it("a list stays over a restart and a rename, goes to a new child, and ends with its folder", async (t) => {
    const root = freshDirectory(t);
    const first = await openIn(root);
    const account = await first.account(ANN);
    await account.create("Work");
    await account.setAcl("Work", give(BEN, "lr"));
    await account.create("Work.Child");
    await account.create("Other");
    await account.rename("Work", "Job");
    account.release();
    await first.close();
    const second = await openIn(root);
    t.after(() => second.close());
    const again = await second.account(ANN);
    assert.equal((await again.acl("Job")).get(BEN), "lr");
    assert.equal((await again.acl("Job.Child")).get(BEN), "lr");
    assert.equal((await again.acl("Other")).size, 0);
    await assert.rejects(again.acl("Work"), { code: "nonexistent" });
    await again.delete("Job");
    await again.create("Job");
    assert.equal((await again.acl("Job")).size, 0);
    again.release();
  });

  it("changes of one moment do not lose each other, and the last entry leaves no file", async (t) => {
    const { root, store } = await freshStore(t);
    const account = await store.account(ANN);
    const users = Array.from({ length: 20 }, (_, index) => `user${index}@example.org`);
    await Promise.all(users.map((user) => account.setAcl("INBOX", give(user, "lr"))));
    assert.equal((await account.acl("INBOX")).size, 20);
    await Promise.all(users.map((user) => account.setAcl("INBOX", give(user, ""))));
    assert.ok(!existsSync(`${root}/mail/example.org/ann/dovecot-acl`));
    account.release();
  });

  it("who shares with whom is known at once, also when its index is lost or a list came from outside", async (t) => {
    const root = freshDirectory(t);
    const first = await openIn(root);
    await share(first, ANN, "INBOX", give(BEN, "lr"));
    await share(first, "carl@example.org", "INBOX", give("anyone", "l"));
    assert.deepEqual(await first.sharedWith(BEN), [ANN, "carl@example.org"]);
    assert.deepEqual(await first.sharedWith("carl@example.org"), []);
    await share(first, ANN, "INBOX", give(BEN, ""));
    assert.deepEqual(await first.sharedWith(BEN), ["carl@example.org"]);
    await first.close();

    writeFileSync(`${root}/mail/example.org/ann/dovecot-acl`, `user=${BEN} lr\n`);
    rmSync(`${root}/state/store/sharing`, { recursive: true });
    const second = await openIn(root);
    t.after(() => second.close());
    assert.deepEqual(await second.sharedWith(BEN), [ANN, "carl@example.org"]);
    assert.equal(readFileSync(`${root}/mail/example.org/ann/dovecot-acl`, "utf8"), `user=${BEN} lr\n`);
    rmSync(`${root}/mail/example.org/ann`, { recursive: true });
    assert.deepEqual(await second.sharedWith(BEN), ["carl@example.org"]);
  });
});
