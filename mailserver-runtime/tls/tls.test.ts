import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { silentLog } from "../net/log.ts";
import { SocketConnection } from "../net/socket-connection.ts";
import { type Directories, directoriesBelow } from "../settings/directories.ts";
import { parseSettings } from "../settings/parse.ts";
import { BrokenCertificate, certificateFolder, spkiSha256 } from "./certificate-files.ts";
import { type LoadedTls, loadTlsContexts, NoCertificate } from "./contexts.ts";
import { ensureCertificate, readCertificate } from "./local-authority.ts";
import { makeAuthority, makePrivateKey } from "./x509.ts";

const DAY = 86_400_000;
let root: string;
let directories: Directories;
const loaded: LoadedTls[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tls-"));
  directories = directoriesBelow(root);
});
afterEach(async () => {
  for (const tls of loaded.splice(0)) tls.close();
  await rm(root, { recursive: true, force: true });
});

const issue = (names: readonly string[], now = new Date()) =>
  ensureCertificate(directories, names, "machine", now);
const folder = (name: string) => certificateFolder(directories.state, name);

async function load(
  hostname = "mail.example.org",
  env: Record<string, string | undefined> = {},
  level = "modern",
) {
  const parsed = parseSettings({ hostname, tls: { level } });
  assert.ok(parsed.ok);
  const tls = await loadTlsContexts(directories, parsed.settings, silentLog, { env, pollMs: 0 });
  loaded.push(tls);
  return tls;
}

/** What a client that asks for `servername` is shown, and over which protocol and cipher. */
async function handshake(tls: LoadedTls, servername: string, options: object = {}) {
  const server = createServer((socket) => {
    const connection = new SocketConnection(socket, tls.contexts);
    connection.acceptTls().catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const socket: TLSSocket = connect({
    port,
    host: "127.0.0.1",
    servername,
    rejectUnauthorized: false,
    ...options,
  });
  try {
    await once(socket, "secureConnect");
    const certificate: PeerCertificate = socket.getPeerCertificate();
    return {
      names: certificate.subjectaltname,
      serial: certificate.serialNumber,
      authorized: socket.authorized,
      protocol: socket.getProtocol(),
      cipher: socket.getCipher().name,
    };
  } finally {
    socket.destroy();
    server.close();
  }
}

test("A certificate of the local authority is verified by openssl for each of its names", async (t) => {
  if (spawnSync("openssl", ["version"]).status !== 0) {
    if (process.env.CI) assert.fail("openssl is missing");
    t.skip("openssl is not installed");
    return;
  }
  await issue(["mail.example.org", "*.example.net", "127.0.0.1", "::1"]);
  const chain = join(folder("mail.example.org"), "fullchain.pem");
  const ca = join(directories.config, "ca.pem");
  const verify = (...more: string[]) =>
    execFileSync("openssl", [
      "verify",
      "-x509_strict",
      "-purpose",
      "sslserver",
      "-CAfile",
      ca,
      ...more,
      chain,
    ]).toString();
  assert.match(verify("-verify_hostname", "mail.example.org"), /OK/);
  assert.match(verify("-verify_hostname", "imap.example.net"), /OK/);
  assert.match(verify("-verify_ip", "127.0.0.1"), /OK/);
  assert.notEqual(
    spawnSync("openssl", ["verify", "-CAfile", ca, "-verify_hostname", "other.example.org", chain]).status,
    0,
  );
  const authority = new X509Certificate(await readFile(ca));
  assert.ok(authority.ca);
  assert.match(execFileSync("openssl", ["x509", "-noout", "-text", "-in", ca]).toString(), /pathlen:0/);
});

test("Private keys are their user's alone, the authority's copy for clients is readable", async () => {
  await issue(["mail.example.org"]);
  for (const file of [
    join(directories.state, "ca/ca-key.pem"),
    join(folder("mail.example.org"), "privkey.pem"),
    join(folder("mail.example.org"), "next-privkey.pem"),
  ])
    assert.equal((await stat(file)).mode & 0o777, 0o600, file);
  assert.equal((await stat(join(directories.config, "ca.pem"))).mode & 0o777, 0o644);
});

test("A good certificate is left alone; one with less than a third of its life is renewed to the key announced (RFC 7671 §8.1)", async () => {
  const names = ["mail.example.org"];
  const begin = new Date(Date.now() - 50 * DAY);
  const first = await issue(names, begin);
  assert.deepEqual(
    [first.created, (await issue(names, new Date(begin.getTime() + 50 * DAY))).fingerprint],
    [true, first.fingerprint],
  );
  const renewed = await issue(names, new Date(begin.getTime() + 61 * DAY));
  assert.equal(renewed.created, false);
  assert.notEqual(renewed.fingerprint, first.fingerprint);
  assert.equal(renewed.spkiSha256, first.nextSpkiSha256);
  assert.notEqual(renewed.nextSpkiSha256, first.nextSpkiSha256);
  assert.equal(renewed.caCertificatePem, first.caCertificatePem);
  assert.deepEqual((await readCertificate(directories, names))?.fingerprint, renewed.fingerprint);
});

test("Other names make another certificate with the same keys, so published TLSA records stay true", async () => {
  const first = await issue(["mail.example.org"]);
  const second = await issue(["mail.example.org", "imap.example.org"]);
  assert.deepEqual([second.spkiSha256, second.nextSpkiSha256], [first.spkiSha256, first.nextSpkiSha256]);
  assert.notEqual(second.fingerprint, first.fingerprint);
  assert.equal(await readCertificate(directories, ["mail.example.org"]), undefined);
});

test("A renewal that was killed between certificate and key is served with the key that fits, and finished", async () => {
  const names = ["mail.example.org"];
  const begin = new Date(Date.now() - 70 * DAY);
  await issue(names, begin);
  await cp(folder(names[0]!), join(root, "before"), { recursive: true });
  const renewed = await issue(names);
  // The state after the first of three writes: the new chain, the old keys.
  for (const file of ["privkey.pem", "next-privkey.pem"])
    await cp(join(root, "before", file), join(folder(names[0]!), file));
  const tls = await load();
  assert.equal(tls.status()[0]?.problem, undefined);
  assert.equal((await handshake(tls, "mail.example.org")).names, "DNS:mail.example.org");
  const finished = await issue(names);
  assert.deepEqual([finished.fingerprint, finished.spkiSha256], [renewed.fingerprint, renewed.spkiSha256]);
  assert.equal(
    spkiSha256(await readFile(join(folder(names[0]!), "privkey.pem"), "utf8")),
    renewed.spkiSha256,
  );
});

test("A lost key of the authority is told and never replaced, because every client would have to trust anew", async () => {
  await issue(["mail.example.org"]);
  await rm(join(directories.state, "ca/ca-key.pem"));
  await assert.rejects(issue(["imap.example.org"]), (error: Error) => {
    assert.ok(error instanceof BrokenCertificate);
    assert.match(error.message, /ca-key\.pem is missing/);
    return true;
  });
});

test("The certificate is chosen by the name a client asks for: exact, wildcard, else the host's own (RFC 6066 §3)", async () => {
  await issue(["mail.example.org"]);
  await issue(["imap.example.net"]);
  await issue(["*.example.com"]);
  const tls = await load();
  const shown = async (name: string) => (await handshake(tls, name)).names;
  assert.equal(await shown("IMAP.example.net"), "DNS:imap.example.net");
  assert.equal(await shown("a.example.com"), "DNS:*.example.com");
  assert.equal(await shown("a.b.example.com"), "DNS:mail.example.org");
  assert.equal(await shown("unknown.example"), "DNS:mail.example.org");
  const ca = await readFile(join(directories.config, "ca.pem"));
  assert.equal((await handshake(tls, "mail.example.org", { ca })).authorized, true);
});

test("A renewed certificate is served from the next handshake on after a reload", async () => {
  const begin = new Date(Date.now() - 70 * DAY);
  await issue(["mail.example.org"], begin);
  const tls = await load();
  const before = await handshake(tls, "mail.example.org");
  await issue(["mail.example.org"]);
  assert.equal((await handshake(tls, "mail.example.org")).serial, before.serial);
  await tls.reload();
  assert.notEqual((await handshake(tls, "mail.example.org")).serial, before.serial);
});

const leafPem = (chain: Buffer) =>
  `${String(chain).split("-----END CERTIFICATE-----")[0]}-----END CERTIFICATE-----\n`;

test("A pair that does not fit, is not PEM, is for another name, has expired (it or its chain) or vanished is named, and the working one stays", async () => {
  const names = ["mail.example.org"];
  const place = folder(names[0]!);
  await issue(names);
  await issue(["old.example.org"], new Date(Date.now() - 100 * DAY));
  const tls = await load();
  const good = await handshake(tls, names[0]!);
  const expect = async (problem: RegExp) => {
    await tls.reload();
    const status = tls.status().find((one) => one.place === place);
    assert.match(status?.problem ?? "", problem);
    assert.deepEqual(status?.names, names);
    assert.equal((await handshake(tls, names[0]!)).serial, good.serial);
  };
  const key = join(place, "privkey.pem");
  const chain = join(place, "fullchain.pem");
  const [rightKey, rightChain] = [await readFile(key), await readFile(chain)];
  await writeFile(key, await makePrivateKey());
  await expect(/privkey\.pem is not the key of .*fullchain\.pem/);
  await writeFile(key, "nonsense");
  await expect(/privkey\.pem is not a private key/);
  await writeFile(key, rightKey);
  await writeFile(chain, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await expect(/fullchain\.pem is not a certificate/);
  const expired = folder("old.example.org");
  for (const file of ["fullchain.pem", "privkey.pem"]) await cp(join(expired, file), join(place, file));
  await expect(/^the certificate has expired/);
  await issue(["another.example.org"]);
  const another = folder("another.example.org");
  for (const file of ["fullchain.pem", "privkey.pem"]) await cp(join(another, file), join(place, file));
  await expect(/^the certificate is for another\.example\.org, not for mail\.example\.org$/);
  await writeFile(key, rightKey);
  const ended = await makeAuthority("Ended", await makePrivateKey(), new Date(Date.now() - 4000 * DAY));
  await writeFile(chain, leafPem(rightChain) + ended.certificatePem);
  await expect(/^its chain has expired: CN=Ended/);
  await rm(chain);
  await expect(/missing/);
  await writeFile(key, rightKey);
  await writeFile(chain, rightChain);
  await tls.reload();
  assert.equal(tls.status().find((one) => one.place === place)?.problem, undefined);
});

test("Without any certificate a handshake fails with what to do, and the first one that comes is served", async () => {
  const tls = await load();
  assert.throws(() => tls.contexts.context("mail.example.org"), NoCertificate);
  await issue(["mail.example.org"]);
  await tls.reload();
  assert.equal((await handshake(tls, "x")).names, "DNS:mail.example.org");
});

test("TLS 1.2 is the least, and modern has no CBC suite while intermediate has (TLS_LEVEL)", async () => {
  await issue(["mail.example.org"]);
  const modern = await load();
  assert.equal((await handshake(modern, "x")).protocol, "TLSv1.3");
  const tls12 = { maxVersion: "TLSv1.2" };
  assert.match((await handshake(modern, "x", tls12)).cipher, /GCM|CHACHA20/);
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
  await assert.rejects(handshake(modern, "x", old));
  const cbc = { ...tls12, ciphers: "ECDHE-ECDSA-AES128-SHA256" };
  await assert.rejects(handshake(modern, "x", cbc));
  const intermediate = await load("mail.example.org", {}, "intermediate");
  assert.equal((await handshake(intermediate, "x", cbc)).cipher, "ECDHE-ECDSA-AES128-SHA256");
});
