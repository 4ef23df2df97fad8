/** Sessions beside each other, over real sockets: what one does, the other is told; and what a connection may not do. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ImapFlow } from "imapflow";
import { type Log, silentLog } from "../net/log.ts";
import { Client } from "./test/client.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { PASSWORD, startTestServer, type TestServer, USER } from "./test/server.ts";

describe("sessions beside each other", () => {
  const store = new MemoryStore();
  const logged: object[] = [];
  const log: Log = { ...silentLog, warn: (fields) => void logged.push(fields), child: () => log };
  let server: TestServer;
  let plain: TestServer;
  before(async () => {
    server = await startTestServer(store, { log });
    plain = await startTestServer(store, {
      implicitTls: false,
      limits: { failedLoginDelay: 5 },
    });
  });
  after(async () => {
    await server.close();
    await plain.close();
  });

  /** Two sessions on one fresh mailbox with so many messages. */
  async function pair(user: string, messages: number): Promise<[Client, Client]> {
    const inbox = store.get(user).find("INBOX");
    for (let index = 0; index < messages; index += 1) {
      inbox.insert([{ bytes: message({ subject: `m${index}`, body: "x\r\n" }) }]);
    }
    const clients = [await Client.open(server.port), await Client.open(server.port)] as [Client, Client];
    for (const client of clients) {
      await client.logIn(user);
      assert.match(await client.command("s SELECT INBOX"), /^s OK/m);
    }
    return clients;
  }

  it("IDLE tells new mail, flags and expunges at once (RFC 2177 §3)", async () => {
    const [one, two] = await pair("idle@example.org", 2);
    one.send("i IDLE\r\n");
    await one.until(/^\+ /m);
    await two.command("a STORE 1 +FLAGS (\\Deleted)");
    await one.until(/^\* 1 FETCH \(FLAGS \(\\Deleted.*\)\)\r\n/m);
    store
      .get("idle@example.org")
      .find("INBOX")
      .insert([{ bytes: message({ subject: "new", body: "" }) }]);
    await one.until(/^\* 3 EXISTS\r\n/m);
    await two.command("b EXPUNGE");
    await one.until(/^\* 1 EXPUNGE\r\n/m);
    one.send("DONE\r\n");
    await one.until(/^i OK/m);
    one.end();
    two.end();
  });

  it("numbers keep their meaning until EXPUNGE may be told (RFC 9051 §7.5.1)", async () => {
    const [one, two] = await pair("numbers@example.org", 4);
    await two.command("a STORE 2 +FLAGS.SILENT (\\Deleted)");
    await two.command("b EXPUNGE");
    store
      .get("numbers@example.org")
      .find("INBOX")
      .insert([{ bytes: message({ subject: "new", body: "" }) }]);
    const fetched = await one.command("c FETCH 1:4 (UID)");
    assert.match(fetched, /\* 4 FETCH \(UID 4\)/);
    assert.doesNotMatch(fetched, /EXPUNGE|EXISTS/);
    assert.doesNotMatch(await one.command("d SEARCH ALL"), /EXPUNGE/);
    assert.doesNotMatch(await one.command("e STORE 4 +FLAGS (\\Flagged)"), /EXPUNGE/);
    assert.match(await one.command("f FETCH 2 BODY.PEEK[]"), /^f NO \[EXPUNGEISSUED\]/m);
    const told = await one.command("g NOOP");
    assert.match(told, /\* 2 EXPUNGE\r\n[\s\S]*\* 4 EXISTS/);
    assert.match(await one.command("h UID FETCH 4 (FLAGS)"), /\* 3 FETCH \(UID 4 FLAGS \(.*\\Flagged/);
    one.end();
    two.end();
  });

  it("a search that takes long says that it goes on (RFC 9585 §3)", async () => {
    const slow = await startTestServer(store, { log, limits: { progressInterval: 20 } });
    const inbox = store.get("slow@example.org").find("INBOX");
    inbox.insert([{ bytes: message({ subject: "m", body: "needle\r\n" }) }]);
    const read = inbox.read.bind(inbox);
    inbox.read = async (uid) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return read(uid);
    };
    const client = await Client.open(slow.port);
    await client.logIn("slow@example.org");
    await client.command("s SELECT INBOX");
    const told = await client.command("a SEARCH BODY needle");
    assert.match(told, /^\* OK \[INPROGRESS \("a" NIL NIL\)\] .*\r\n[\s\S]*^\* SEARCH 1\r\na OK/m);
    assert.doesNotMatch(await client.command("b SEARCH ALL"), /INPROGRESS/);
    client.end();
    await slow.close();
  });

  it("a silent STORE does not hide what another session changed (RFC 9051 §6.4.6)", async () => {
    const [one, two] = await pair("silent@example.org", 1);
    await two.command("a STORE 1 +FLAGS.SILENT (\\Answered)");
    assert.match(
      await one.command("b STORE 1 +FLAGS.SILENT (\\Draft)"),
      /\* 1 FETCH \(FLAGS \(\\Answered \\Draft/,
    );
    assert.doesNotMatch(await one.command("c NOOP"), /FETCH/);
    one.end();
    two.end();
  });

  it("only one session gets a message as \\Recent (RFC 3501 §2.3.2)", async () => {
    const [one, two] = await pair("recent@example.org", 2);
    assert.match(await one.command("a SEARCH RECENT"), /\* SEARCH 1 2\r\n/);
    assert.match(await two.command("a SEARCH RECENT"), /\* SEARCH\r\n/);
    one.end();
    two.end();
  });

  it("many sessions that change one mailbox at random agree in the end", async () => {
    const user = "random@example.org";
    const inbox = store.get(user).find("INBOX");
    inbox.insert(
      Array.from({ length: 30 }, (_, index) => ({ bytes: message({ subject: `m${index}`, body: "" }) })),
    );
    const clients = await Promise.all(Array.from({ length: 4 }, () => Client.open(server.port)));
    await Promise.all(
      clients.map(async (client, which) => {
        await client.logIn(user);
        await client.command("s SELECT INBOX");
        // Each keeps the list of UIDs as a client does, by EXPUNGE and EXISTS alone.
        const seen = await client.command("u UID FETCH 1:* (UID)");
        let uids = [...seen.matchAll(/FETCH \(UID (\d+)\)/g)].map((match) => Number(match[1]));
        const follow = async (line: string) => {
          const text = await client.command(line);
          for (const match of text.matchAll(/^\* (\d+) (EXPUNGE|EXISTS)/gm)) {
            const number = Number(match[1]);
            if (match[2] === "EXPUNGE") {
              assert.ok(number <= uids.length, "an EXPUNGE of a message this client has");
              uids.splice(number - 1, 1);
            } else while (uids.length < number) uids.push(0);
          }
          return text;
        };
        for (let step = 0; step < 40; step += 1) {
          const number = 1 + ((step * 7 + which * 13) % Math.max(1, uids.length));
          if (uids.length === 0) await follow("n NOOP");
          else if (step % 5 === 0) await follow(`x STORE ${number} +FLAGS (\\Deleted)`);
          else if (step % 5 === 1) await follow("x EXPUNGE");
          else if (step % 5 === 2) await follow("x APPEND INBOX {7+}\r\nA: 1\r\n\r");
          else if (step % 5 === 3) await follow(`x STORE ${number} -FLAGS (\\Seen)`);
          else await follow(`x FETCH ${number} (FLAGS)`);
        }
        await follow("x NOOP");
        const last = await follow("u UID FETCH 1:* (UID)");
        const real = [...last.matchAll(/FETCH \(UID (\d+)\)/g)].map((match) => Number(match[1]));
        uids = uids.map((uid, index) => uid || real[index]!);
        assert.equal(real.length, uids.length);
        assert.deepEqual(real, uids);
        client.end();
      }),
    );
  });

  it("imapflow appends, idles, moves, searches and downloads", async () => {
    const user = "flow@example.org";
    await store.get(user).create("Archive");
    const open = async () => {
      const client = new ImapFlow({
        host: "127.0.0.1",
        port: server.port,
        secure: true,
        tls: { rejectUnauthorized: false },
        auth: { user, pass: PASSWORD },
        logger: false,
      });
      await client.connect();
      return client;
    };
    const one = await open();
    const two = await open();
    try {
      await one.mailboxOpen("INBOX");
      await two.mailboxOpen("INBOX");
      const exists = new Promise<number>((resolve) => one.once("exists", (event) => resolve(event.count)));
      const idling = one.idle();
      const bytes = message({ subject: "über", body: "Flow body.\r\n" });
      const appended = await two.append("INBOX", bytes, ["\\Seen"], new Date(Date.UTC(2024, 0, 1)));
      assert.ok(appended && appended.uid === 1);
      assert.equal(await exists, 1);
      assert.deepEqual(await one.search({ subject: "über" }, { uid: true }), [1]);
      await idling;
      const fetched = await one.fetchOne("1", {
        source: true,
        flags: true,
        envelope: true,
        bodyStructure: true,
      });
      assert.ok(fetched && Buffer.from(fetched.source ?? "").equals(bytes));
      assert.ok(fetched.flags?.has("\\Seen"));
      const moved = await one.messageMove("1", "Archive", { uid: true });
      assert.ok(moved && moved.uidMap?.get(1) === 1);
      const archive = await one.status("Archive", { messages: true });
      assert.ok(archive);
      assert.equal(archive.messages, 1);
    } finally {
      await one.logout();
      await two.logout();
    }
  });

  it("STARTTLS begins TLS, and LOGIN works behind it (RFC 9051 §6.2.1)", async () => {
    const client = new ImapFlow({
      host: "127.0.0.1",
      port: plain.port,
      secure: false,
      doSTARTTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: USER, pass: PASSWORD },
      logger: false,
    });
    await client.connect();
    assert.ok(client.secureConnection);
    await client.logout();
  });

  it("bytes behind STARTTLS close the connection (CVE-2011-0411)", async () => {
    const client = await Client.open(plain.port, false);
    client.send(`a STARTTLS\r\nb LOGIN ${USER} "${PASSWORD}"\r\n`);
    await client.until(/^\* BYE/m);
    await client.finished();
  });

  it("who does not log in in time is sent away", async () => {
    const impatient = await startTestServer(store, { implicitTls: false, limits: { loginTimeout: 300 } });
    try {
      const client = await Client.open(impatient.port, false);
      await client.until(/^\* BYE/m);
      await client.finished();
    } finally {
      await impatient.close();
    }
  });

  it("failed logins are logged with the client's address, and the third ends the connection", async () => {
    const client = await Client.open(server.port);
    for (const tag of ["a", "b", "c"])
      assert.match(await client.command(`${tag} LOGIN eve@example.org x`), /AUTHENTICATIONFAILED/);
    await client.finished();
    const failures = logged.filter((fields) => "event" in fields && fields.event === "login-failed");
    assert.equal(failures.length, 3);
    assert.deepEqual(failures[0], {
      event: "login-failed",
      service: "imap",
      client: "127.0.0.1",
      username: "eve@example.org",
      reason: "credentials",
    });
  });

  it("a browser that is made to talk here is sent away after a few lines", async () => {
    const client = await Client.open(server.port);
    client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\nAccept: z\r\nOrigin: o\r\nCookie: c\r\n\r\na NOOP\r\n",
    );
    await client.until(/^\* BYE/m);
    await client.finished();
  });

  it("a line without end is refused at the limit", async () => {
    const client = await Client.open(server.port);
    client.send(`a LOGIN ${"x".repeat(70_000)}`);
    await client.until(/^\* BYE/m);
    await client.finished();
  });
});
