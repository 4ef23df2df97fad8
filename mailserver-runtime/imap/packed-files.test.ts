/** Files that Dovecot's zlib plugin has packed (gzip, zstd) are messages like others: served, searched, sorted and threaded. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { silentLog } from "../net/log.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { Client } from "./test/client.ts";
import { startTestServer } from "./test/server.ts";

test("SEARCH TEXT, BODY, SUBJECT and HEADER, SORT and FETCH read gzip and zstd files (RFC 9051 §6.4.4)", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-packed-"));
  const cur = join(root, "mail/example.org/anna/cur");
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(cur, "..", part), { recursive: true });
  const letter = (subject: string, body: string) =>
    Buffer.from(`Subject: ${subject}\nX-Way: ${body}\n\nThe ${body} text.\n`);
  const write = (second: number, bytes: Buffer, plain: Buffer) =>
    writeFileSync(join(cur, `${second}.M1P1.host,S=${plain.length}:2,S`), bytes);
  const [zipped, packed, plain] = [
    letter("zeta", "gzipped"),
    letter("alpha", "zstandard"),
    letter("mid", "plain"),
  ];
  write(1600000001, gzipSync(zipped), zipped);
  write(1600000002, zstdCompressSync(packed), packed);
  write(1600000003, plain, plain);
  const directories = { mail: join(root, "mail"), state: join(root, "state") };
  const store = await openMaildirStore({ directories, log: silentLog });
  const server = await startTestServer(store);
  const client = await Client.open(server.port);
  t.after(async () => {
    client.end();
    await server.close();
    await store.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  });
  await client.logIn();
  assert.match(await client.command("a SELECT INBOX"), /^\* 3 EXISTS/m);
  const answers = {
    "SEARCH TEXT gzipped": "* SEARCH 1",
    "SEARCH BODY zstandard": "* SEARCH 2",
    "SEARCH SUBJECT alpha": "* SEARCH 2",
    "SEARCH HEADER X-Way gzip": "* SEARCH 1",
    "SEARCH OR BODY plain BODY gzipped": "* SEARCH 1 3",
    "SORT (SUBJECT) UTF-8 ALL": "* SORT 2 3 1",
  };
  for (const [command, answer] of Object.entries(answers))
    assert.ok((await client.command(`b ${command}`)).startsWith(`${answer}\r\n`), command);
  const fetched = await client.command("c FETCH 1:2 (RFC822.SIZE BODY.PEEK[TEXT])");
  assert.match(fetched, /RFC822\.SIZE 52 BODY\[TEXT\] \{19\}\r\nThe gzipped text\.\r\n/);
  assert.match(fetched, /BODY\[TEXT\] \{21\}\r\nThe zstandard text\.\r\n/);
});
