/** Thunderbird itself: an account is set up, its folders are listed, a message is read, flagged, moved and found. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "../../test/support/tools.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { Flag } from "../store/mail-store.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { message } from "./test/messages.ts";
import { PASSWORD, startTestServer, USER } from "./test/server.ts";
import { Thunderbird } from "./test/thunderbird.ts";

/** What every step begins with. */
const COMMON = `
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
  const until = async (what) => {
    for (const end = Date.now() + 60000; ; ) {
      const found = await what();
      if (found) return found;
      if (Date.now() > end) throw new Error("too late: " + what);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const root = MailServices.accounts.accounts.map((one) => one.incomingServer).find((one) => one?.type === "imap")?.rootFolder;
  const inbox = root?.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
  const folder = (name) => root.descendants.find((one) => one.name === name);
  const bySubject = (subject) => [...inbox.messages].find((one) => one.mime2DecodedSubject === subject);
`;

const STEPS = {
  setUp: `
    const [host, port, user, password] = given;
    const server = MailServices.accounts.createIncomingServer(user, host, "imap");
    server.port = port;
    server.socketType = Ci.nsMsgSocketType.SSL;
    server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
    server.password = password;
    const identity = MailServices.accounts.createIdentity();
    identity.email = user;
    const account = MailServices.accounts.createAccount();
    account.incomingServer = server;
    account.addIdentity(identity);`,
  listFolders: `
    root.server.performExpand(null);
    await until(() => folder("2026") && folder("Trash"));
    const { Drafts, SentMail, Trash, Junk } = Ci.nsMsgFolderFlags;
    const uses = { Drafts, SentMail, Trash, Junk };
    return {
      names: root.descendants.map((one) => one.name).sort(),
      uses: Object.fromEntries(Object.entries(uses).map(([use, flag]) => [use, root.getFolderWithFlags(flag)?.name])),
    };`,
  openInbox: `
    inbox.updateFolder(null);
    await until(() => [...inbox.messages].length === 3);
    return [...inbox.messages].map((one) => one.mime2DecodedSubject);`,
  read: `
    const header = bySubject("Grüße");
    const uri = inbox.getUriForMsg(header);
    const text = await new Promise((resolve, reject) => {
      let read = "";
      const listener = {
        QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
        onStartRequest() {},
        onDataAvailable(request, input, offset, count) {
          const stream = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
          stream.init(input);
          read += stream.readBytes(count);
        },
        onStopRequest: (request, code) => (code ? reject(new Error("code " + code)) : resolve(read)),
      };
      MailServices.messageServiceFromURI(uri).streamMessage(uri, listener, null, null, false, "", false);
    });
    inbox.markMessagesRead([header], true);
    return text;`,
  flag: `
    const header = bySubject("two needle");
    inbox.markMessagesFlagged([header], true);
    inbox.addKeywordsToMessages([header], "$label1");`,
  search: `
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
    const term = session.createTerm();
    term.attrib = Ci.nsMsgSearchAttrib.Body;
    term.op = Ci.nsMsgSearchOp.Contains;
    const { value } = term;
    value.attrib = Ci.nsMsgSearchAttrib.Body;
    value.str = "needle";
    term.value = value;
    session.appendTerm(term);
    const hits = [];
    await new Promise((resolve) => {
      session.registerListener({
        onSearchHit: (header) => hits.push(header.mime2DecodedSubject),
        onSearchDone: resolve,
        onNewSearch() {},
      });
      session.search(null);
    });
    return hits;`,
  move: `
    const header = bySubject("three");
    await new Promise((resolve, reject) => {
      const listener = {
        QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
        onStartCopy() {},
        onProgress() {},
        setMessageKey() {},
        getMessageId: () => null,
        onStopCopy: (code) => (code ? reject(new Error("code " + code)) : resolve()),
      };
      MailServices.copy.copyMessages(inbox, [header], folder("2026"), true, listener, null, false);
    });
    await until(() => [...inbox.messages].length === 2);`,
};

test("Thunderbird sets an account up, lists folders with their uses, reads, flags, searches and moves", async (t) => {
  if (!needs(t, "thunderbird")) return;
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-imap-"));
  const store = await openMaildirStore({
    directories: { mail: join(directory, "mail"), state: join(directory, "state") },
    log: silentLog,
  });
  const server = await startTestServer(store);
  const account = await store.account(USER);
  await account.list();
  await account.create("Projects.2026");
  await account.subscribe("Projects.2026", true);
  const inbox = await account.open("INBOX");
  for (const subject of ["=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "two needle", "three"])
    await inbox.append({
      content: memoryContent(message({ subject, body: `About ${subject}.\r\n` })),
      flags: [],
    });
  const thunderbird = await Thunderbird.start();
  t.after(async () => {
    await thunderbird.end();
    inbox.release();
    account.release();
    await server.close();
    await store.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  });
  const step = (name: keyof typeof STEPS, ...given: readonly (string | number)[]) =>
    thunderbird.run(COMMON + STEPS[name], ...given);

  await step("setUp", "127.0.0.1", server.port, USER, PASSWORD);
  assert.deepEqual(await step("listFolders"), {
    names: ["2026", "Drafts", "INBOX", "Junk", "Projects", "Sent", "Trash"],
    uses: { Drafts: "Drafts", SentMail: "Sent", Trash: "Trash", Junk: "Junk" },
  });
  assert.deepEqual(await step("openInbox"), ["Grüße", "two needle", "three"]);
  assert.match(String(await step("read")), /\r\n\r\nAbout =\?utf-8/);
  await step("flag");
  assert.deepEqual(await step("search"), ["two needle"]);
  await step("move");

  const wanted = { count: 2, seen: [1], flagged: [2], keywords: ["$label1"] };
  const stands = () => {
    const { count, flags, uids, keywords } = inbox.view();
    const having = (bit: number) => [...uids.subarray(0, count)].filter((_, at) => flags[at]! & bit);
    return { count, seen: having(Flag.Seen), flagged: having(Flag.Flagged), keywords: [...keywords] };
  };
  for (let waits = 0; waits < 100 && JSON.stringify(stands()) !== JSON.stringify(wanted); waits++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(stands(), wanted);
  assert.equal((await account.status("Projects.2026")).messages, 1);
});
