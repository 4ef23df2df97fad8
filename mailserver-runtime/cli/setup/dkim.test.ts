import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type Directories, directoriesBelow } from "../../settings/directories.ts";
import { setupIn } from "./setup-harness.ts";

let root: string;
let directories: Directories;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "setup-"));
  directories = directoriesBelow(root);
  await mkdir(directories.config, { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const { works, fails, file, put } = setupIn(() => directories);

test("config dkim in OpenDKIM's layout: keys for all domains once, tables without doubles", async () => {
  await works("email add ann@example.org x");
  await put("postfix-virtual.cf", "info@alias.example ann@example.org\nroot ann@example.org\n");
  await works("config dkim keysize 1024");
  const key = await file("opendkim/keys/alias.example/mail.private");
  await works("config dkim keysize 1024");
  assert.equal(await file("opendkim/keys/alias.example/mail.private"), key);
  assert.equal((await file("opendkim/KeyTable")).trim().split("\n").length, 2);
  assert.match(
    await file("opendkim/KeyTable"),
    /^mail\._domainkey\.example\.org example\.org:mail:\/etc\/opendkim\/keys\/example\.org\/mail\.private\n/,
  );
  assert.match(await file("opendkim/SigningTable"), /^\*@example\.org mail\._domainkey\.example\.org\n/);
  await works("config dkim keysize 1024 selector two domain a.example,b.example");
  assert.equal((await file("opendkim/KeyTable")).trim().split("\n").length, 4);
  assert.match(
    await file("opendkim/keys/a.example/two.txt"),
    /^two\._domainkey IN TXT \( "v=DKIM1; h=sha256; k=rsa; p=/,
  );
  await fails("config dkim keysize", /No keysize provided after 'keysize' argument/);
  await fails("config dkim keysize 3000", /1024, 2048 or 4096/);
  await fails("config dkim selector ../x", /is not a selector/);
  await fails("config dkim colour blue", /Unknown options 'colour'/);
});

test("config dkim in rspamd's layout: no overwriting without --force, no keysize with ed25519", async () => {
  const env = { ENABLE_RSPAMD: "1", OVERRIDE_HOSTNAME: "mail.example.org" };
  assert.match(
    await works("config dkim keytype ed25519", { env }),
    /v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=\n/,
  );
  const key = "rspamd/dkim/ed25519-mail-example.org.private.txt";
  const first = await file(key);
  await fails("config dkim keytype ed25519", /Not overwriting existing files/, { env });
  await works("config dkim -f keytype ed25519", { env });
  assert.notEqual(await file(key), first);
  assert.match(await file("rspamd/override.d/dkim_signing.conf"), /selector = "mail"/);
  await fails("config dkim keytype ed25519 keysize 2048", /does not accept the 'keysize'/, { env });
  await fails("config dkim keytype dsa", /Unknown keytype 'dsa'/, { env });
});
