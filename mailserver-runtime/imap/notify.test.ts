/** NOTIFY (RFC 5465): what is told between commands, to whom, and what is not. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { Client } from "./test/client.ts";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { startTestServer, type TestServer, USER } from "./test/server.ts";

function fixture(): MemoryStore {
  const store = new MemoryStore();
  const account = store.get(USER);
  account.find("INBOX").insert([{ bytes: message({ subject: "one", body: "" }) }]);
  void account.create("Work");
  void account.create("Work/Old");
  return store;
}

const ROWS: readonly Row[] = [
  {
    rfc: "5465 §3",
    says: "NOTIFY is told after login",
    client: ["a CAPABILITY"],
    expect: [/^\* CAPABILITY .* NOTIFY/],
  },
  {
    rfc: "5465 §3.1",
    says: "SET STATUS begins with the STATUS of each mailbox with message events that is not selected",
    client: [
      "a SELECT INBOX",
      "b NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))",
      "c NOTIFY SET STATUS (SUBTREE Work/Old (MessageNew MessageExpunge FlagChange))",
    ],
    expect: [
      /^\* STATUS Work \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+\)$/,
      /^b OK/,
      /^\* STATUS Work\/Old \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+ UNSEEN 0 HIGHESTMODSEQ \d+\)$/,
      /^c OK/,
    ],
    never: [/STATUS INBOX/],
  },
  {
    rfc: "5465 §6",
    says: "of several groups the first that a mailbox belongs to decides",
    client: ["a NOTIFY SET STATUS (MAILBOXES (Work INBOX) NONE) (PERSONAL (MessageNew MessageExpunge))"],
    expect: [/^\* STATUS Work\/Old /, /^a OK/],
    never: [/STATUS Work \(/, /STATUS INBOX/],
  },
  {
    rfc: "5465 §3.1",
    says: "an event that is not told here refuses the whole request and names those that are",
    client: ["a NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))"],
    expect: [/^a NO \[BADEVENT \(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange/],
  },
  {
    rfc: "5465 §5",
    says: "MessageNew without MessageExpunge and FlagChange without both are BAD",
    client: [
      "a NOTIFY SET (SELECTED (MessageNew))",
      "b NOTIFY SET (PERSONAL (MessageExpunge))",
      "c NOTIFY SET (PERSONAL (FlagChange))",
    ],
    expect: [/^a BAD/, /^b BAD/, /^c BAD/],
  },
  {
    rfc: "5465 §6.1",
    says: "the selected mailbox has message events only, and FETCH items are its alone",
    client: [
      "a NOTIFY SET (SELECTED (MailboxName))",
      "b NOTIFY SET (INBOXES (MessageNew (UID) MessageExpunge))",
      "c NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)",
    ],
    expect: [/^a BAD/, /^b BAD/, /^c BAD/],
  },
  {
    rfc: "5465 §8",
    says: "NOTIFY that is not the grammar's is BAD",
    client: [
      "a NOTIFY",
      "b NOTIFY SET",
      "c NOTIFY NONE x",
      "d NOTIFY SET (NOWHERE NONE)",
      "e NOTIFY SET (INBOXES ())",
    ],
    expect: [/^a BAD/, /^b BAD/, /^c BAD/, /^d BAD/, /^e BAD/],
  },
];

describe("NOTIFY", () => {
  testRows(ROWS, { store: fixture });

  const store = new MemoryStore();
  let server: TestServer;
  before(async () => {
    server = await startTestServer(store);
  });
  after(() => server.close());

  let users = 0;
  /** A session of a fresh account with INBOX of two messages selected, and a mailbox Work. */
  async function watching(
    request: string,
  ): Promise<{ client: Client; account: ReturnType<MemoryStore["get"]> }> {
    users += 1;
    const account = store.get(`notify${users}@example.org`);
    await account.create("Work");
    const bytes = message({ subject: "old", body: "x\r\n" });
    account.find("INBOX").insert([{ bytes }, { bytes }]);
    const client = await Client.open(server.port);
    await client.logIn(account.address);
    await client.command("s SELECT INBOX");
    assert.match(await client.command(`n NOTIFY ${request}`), /^n OK/m);
    return { client, account };
  }
  const settle = () => new Promise((resolve) => setTimeout(resolve, 60));
  const hello = message({ subject: "hello", body: "Hello.\r\n" });

  it("SELECTED tells new mail, flags and expunges between commands (RFC 5465 §6.1)", async () => {
    const { client, account } = await watching("SET (SELECTED (MessageNew MessageExpunge FlagChange))");
    const inbox = account.find("INBOX");
    inbox.insert([{ bytes: hello }]);
    await client.until(/^\* 3 EXISTS\r\n/m);
    await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
    await client.until(/^\* 1 FETCH \(FLAGS \(\\Deleted.*\r\n/m);
    await inbox.expunge();
    await client.until(/^\* 1 EXPUNGE\r\n/m);
    client.end();
  });

  it("MessageNew sends the items that were asked for, once for each message (RFC 5465 §5.2)", async () => {
    const { client, account } = await watching(
      "SET (SELECTED (MessageNew (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge))",
    );
    account.find("INBOX").insert([{ bytes: hello }]);
    await client.until(
      /^\* 3 EXISTS\r\n[\s\S]*\* 3 FETCH \(UID 3 FLAGS \(.*\) BODY\[HEADER.FIELDS \(SUBJECT\)\] \{18\}\r\nSubject: hello\r\n\r\n\)\r\n/m,
    );
    // Found by the client's own command, a message is told with its items all the same.
    client.send("a NOOP\r\n");
    account.find("INBOX").insert([{ bytes: hello }]);
    const told = await client.until(/^\* 4 FETCH \(UID 4[\s\S]*?\r\n\)\r\n/m);
    assert.equal(told.match(/ FETCH /g)?.length, 1);
    client.end();
  });

  it("SELECTED-DELAYED keeps EXPUNGE for a command that allows it (RFC 5465 §6.1)", async () => {
    const { client, account } = await watching(
      "SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))",
    );
    const inbox = account.find("INBOX");
    await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
    await client.until(/^\* 1 FETCH \(FLAGS \(\\Deleted.*\r\n/m);
    await inbox.expunge();
    await settle();
    assert.doesNotMatch(await client.command("a FETCH 2 (UID)"), /EXPUNGE/);
    assert.match(await client.command("b NOOP"), /^\* 1 EXPUNGE\r\n/m);
    client.end();
  });

  it("without FlagChange the flags others set are not told (RFC 5465 §5.3)", async () => {
    const { client, account } = await watching("SET (SELECTED (MessageNew MessageExpunge))");
    await account.find("INBOX").setFlags({ uids: [1], mode: "add", flags: ["\\Flagged"] });
    await settle();
    assert.doesNotMatch(await client.command("a NOOP"), /FETCH/);
    assert.match(await client.command("b STORE 2 +FLAGS (\\Seen)"), /^\* 2 FETCH \(FLAGS \(\\Seen/m);
    client.end();
  });

  it("other mailboxes are told by STATUS, several changes in one (RFC 5465 §5.2)", async () => {
    const { client, account } = await watching("SET (PERSONAL (MessageNew MessageExpunge))");
    const work = account.find("Work");
    work.insert([{ bytes: hello }]);
    work.insert([{ bytes: hello }]);
    const told = await client.until(/^\* STATUS Work .*\r\n/m);
    assert.match(told, /^\* STATUS Work \(MESSAGES 2 UIDNEXT 3 UIDVALIDITY \d+\)\r\n$/);
    await work.setFlags({ uids: [1], mode: "add", flags: ["\\Flagged"] });
    await settle();
    assert.doesNotMatch(await client.command("a NOOP"), /STATUS/, "flags were not asked for");
    client.end();
  });

  it("FlagChange of another mailbox is told by STATUS with UNSEEN (RFC 5465 §5.3)", async () => {
    const { client, account } = await watching("SET (MAILBOXES Work (MessageNew MessageExpunge FlagChange))");
    const work = account.find("Work");
    work.insert([{ bytes: hello }]);
    await client.until(/^\* STATUS Work \(MESSAGES 1 .* UNSEEN 1 HIGHESTMODSEQ \d+\)\r\n/m);
    await work.setFlags({ uids: [1], mode: "add", flags: ["\\Seen"] });
    await client.until(/^\* STATUS Work \(MESSAGES 1 .* UNSEEN 0 HIGHESTMODSEQ \d+\)\r\n/m);
    client.end();
  });

  it("names that come, go and change are told by LIST (RFC 5465 §5.4, §5.5)", async () => {
    const { client, account } = await watching("SET (PERSONAL (MailboxName SubscriptionChange))");
    await account.create("New");
    await client.until(/^\* LIST \(\) "\/" New\r\n/m);
    await account.rename("New", "Newer");
    const told = await client.until(/^\* LIST \(\) "\/" Newer \("OLDNAME" \(New\)\)\r\n/m);
    assert.doesNotMatch(told, /NonExistent/);
    await account.subscribe("Newer", true);
    await client.until(/^\* LIST \(\\Subscribed\) "\/" Newer\r\n/m);
    await account.delete("Newer");
    await client.until(/^\* LIST \(\\NonExistent\) "\/" Newer\r\n/m);
    client.end();
  });

  it("annotations that are set are told by their names (RFC 5465 §5.6, §5.7)", async () => {
    const { client, account } = await watching("SET (PERSONAL (MailboxMetadataChange ServerMetadataChange))");
    await account.setMetadata("Work", new Map([["/private/comment", Buffer.from("x")]]));
    await client.until(/^\* METADATA Work \/private\/comment\r\n/m);
    await account.setMetadata("", new Map([["/private/comment", null]]));
    await client.until(/^\* METADATA "" \/private\/comment\r\n/m);
    client.end();
  });

  it("a subtree is told of and what lies beside it is not (RFC 5465 §6.5)", async () => {
    const { client, account } = await watching("SET (SUBTREE Work (MailboxName))");
    await account.create("Workshop");
    await account.create("Work/New");
    const told = await client.until(/^\* LIST .*Work\/New\r\n/m);
    assert.doesNotMatch(told, /Workshop/);
    client.end();
  });

  it("IDLE tells what NOTIFY asked for, and NONE is silence (RFC 5465 §3)", async () => {
    const { client, account } = await watching(
      "SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))",
    );
    client.send("i IDLE\r\n");
    await client.until(/^\+ /m);
    account.find("Work").insert([{ bytes: hello }]);
    await client.until(/^\* STATUS Work /m);
    account.find("INBOX").insert([{ bytes: hello }]);
    await client.until(/^\* 3 EXISTS\r\n/m);
    client.send("DONE\r\n");
    await client.until(/^i OK/m);
    await client.command("n NOTIFY NONE");
    client.send("j IDLE\r\n");
    await client.until(/^\+ /m);
    account.find("INBOX").insert([{ bytes: hello }]);
    account.find("Work").insert([{ bytes: hello }]);
    await settle();
    client.send("DONE\r\n");
    const told = await client.until(/^j .*\r\n/m);
    assert.doesNotMatch(told.slice(0, told.indexOf("j OK")), /STATUS/);
    client.end();
  });

  it("more mailboxes than are told of at once end the request (RFC 5465 §5.8)", async () => {
    const { client, account } = await watching("SET (PERSONAL (MessageNew MessageExpunge))");
    for (let index = 0; index < 1100; index += 1) await account.create(`m${index}`);
    for (let index = 0; index < 1100; index += 1) account.find(`m${index}`).insert([{ bytes: hello }]);
    await client.until(/^\* OK \[NOTIFICATIONOVERFLOW\].*\r\n/m);
    account.find("Work").insert([{ bytes: hello }]);
    await settle();
    assert.doesNotMatch(await client.command("a NOOP"), /STATUS/);
    client.end();
  });

  it("a session that ends leaves no listener", async () => {
    const { client, account } = await watching("SET (PERSONAL (MessageNew MessageExpunge))");
    assert.equal(account.listeners, 1);
    await client.command("n NOTIFY SET (INBOXES (MessageNew MessageExpunge))");
    assert.equal(account.listeners, 1);
    await client.command("z LOGOUT");
    await client.finished();
    assert.equal(account.listeners, 0);
  });

  it("a delivery into a folder of the real store nobody has open is told (RFC 5465 §5.2)", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mailkeep-notify-"));
    const directories = { mail: join(directory, "mail"), state: join(directory, "state") };
    await mkdir(directories.mail);
    await mkdir(directories.state);
    const maildir = await openMaildirStore({ directories, log: silentLog });
    const real = await startTestServer(maildir);
    try {
      const client = await Client.open(real.port);
      await client.logIn();
      await client.command("n NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))");
      await maildir.deliver({
        content: memoryContent(hello),
        receivedAt: new Date(),
        recipients: [{ account: USER, prefix: Buffer.alloc(0), mailbox: "Lists" }],
      });
      const told = await client.until(/^\* STATUS Lists \(MESSAGES 1 UIDNEXT 2 .*\r\n/m);
      assert.match(told, /^\* LIST \(\) "\." Lists\r\n/m);
      await client.command("r RENAME Lists Letters");
      await client.until(/^\* LIST \(\) "\." Letters \("OLDNAME" \(Lists\)\)\r\n/m);
      client.end();
    } finally {
      await real.close();
      await maildir.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
