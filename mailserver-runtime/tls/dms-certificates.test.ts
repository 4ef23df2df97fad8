/** DMS's SSL_TYPE, each mode by the files it documents, and what openssl is shown on a real port. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { hasTool } from "../dns/test-support.ts";
import { silentLog } from "../net/log.ts";
import { SocketConnection } from "../net/socket-connection.ts";
import { type Directories, directoriesBelow } from "../settings/directories.ts";
import { parseSettings } from "../settings/parse.ts";
import { type TestAuthority, testAuthority } from "./authority-for-tests.ts";
import { type LoadedTls, loadTlsContexts } from "./contexts.ts";

const HOST = "mail.example.org";
type Pair = Awaited<ReturnType<TestAuthority["issue"]>>;

let root: string;
let directories: Directories;
let letsencrypt: string;
let authority: TestAuthority;
let ec: Pair;
let other: Pair;
let rsa: Pair;

before(async () => {
  authority = await testAuthority();
  ec = await authority.issue([HOST]);
  other = await authority.issue([HOST]);
  rsa = await authority.issue([HOST], new Date(), "rsa");
});
beforeEach(async () => {
  if (root !== undefined) await rm(root, { recursive: true, force: true });
  root = await mkdtemp(join(tmpdir(), "dms-tls-"));
  directories = directoriesBelow(root);
  letsencrypt = join(root, "letsencrypt");
  await mkdir(directories.config, { recursive: true });
});
after(() => rm(root, { recursive: true, force: true }));

async function put(file: string, text: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

async function load(t: TestContext, env: Record<string, string>): Promise<LoadedTls> {
  const parsed = parseSettings({ hostname: HOST, tls: { level: "intermediate" } });
  assert.ok(parsed.ok);
  const options = { env, pollMs: 0, letsencrypt, system: join(root, "ssl") };
  const tls = await loadTlsContexts(directories, parsed.settings, silentLog, options);
  t.after(() => tls.close());
  return tls;
}

/** Serial numbers tell the certificates apart. */
const serialOf = async (cert: string) => new (await import("node:crypto")).X509Certificate(cert).serialNumber;

/** What `openssl s_client` says of a port that serves them: the serial number, or undefined without a handshake. */
async function shown(tls: LoadedTls, ...options: string[]): Promise<string | undefined> {
  const server = createServer((socket) => {
    const connection = new SocketConnection(socket, tls.contexts);
    connection.acceptTls().catch(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const command = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", HOST, ...options];
  try {
    const running = promisify(execFile)("openssl", command, { timeout: 20_000 });
    running.child.stdin?.end();
    const { stdout } = await running;
    const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout)?.[0];
    return pem === undefined ? undefined : await serialOf(pem);
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}

test("ECDSA and RSA side by side: openssl gets the one that it can verify, by signature algorithm and by cipher suite", async (t) => {
  if (!hasTool(t, "openssl", "openssl")) return;
  const file = (name: string, text: string) => put(join(root, "keys", name), text);
  const tls = await load(t, {
    SSL_TYPE: "manual",
    SSL_CERT_PATH: await file("ec.pem", ec.cert),
    SSL_KEY_PATH: await file("ec.key", ec.key),
    SSL_ALT_CERT_PATH: await file("rsa.pem", rsa.cert),
    SSL_ALT_KEY_PATH: await file("rsa.key", rsa.key),
  });
  assert.equal(tls.status()[0]?.problem, undefined);
  const [ofEc, ofRsa] = [await serialOf(ec.cert), await serialOf(rsa.cert)];
  assert.equal(await shown(tls), ofEc);
  assert.equal(await shown(tls, "-sigalgs", "ecdsa_secp256r1_sha256"), ofEc);
  assert.equal(await shown(tls, "-sigalgs", "rsa_pss_rsae_sha256"), ofRsa);
  assert.equal(await shown(tls, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), ofEc);
  assert.equal(await shown(tls, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), ofRsa);
});

test("an alternative of the same kind, half given, or broken is named, and the first is served", async (t) => {
  const file = (name: string, text: string) => put(join(root, "keys", name), text);
  const first = {
    SSL_TYPE: "manual",
    SSL_CERT_PATH: await file("ec.pem", ec.cert),
    SSL_KEY_PATH: await file("ec.key", ec.key),
  };
  const alternative = {
    SSL_ALT_CERT_PATH: await file("other.pem", other.cert),
    SSL_ALT_KEY_PATH: await file("other.key", other.key),
  };
  const expect = async (env: Record<string, string>, problem: RegExp) => {
    const tls = await load(t, env);
    assert.match(tls.status()[0]?.problem ?? "", problem);
    assert.deepEqual(tls.status()[0]?.names, [HOST]);
  };
  await expect({ ...first, ...alternative }, /key of the same kind \(ec\) and is not served/);
  await expect({ ...first, SSL_ALT_CERT_PATH: "/x" }, /SSL_ALT_KEY_PATH is not set/);
  await expect(
    { ...first, SSL_ALT_CERT_PATH: await file("r.pem", rsa.cert), SSL_ALT_KEY_PATH: first.SSL_KEY_PATH },
    /ec\.key is not the key of .*r\.pem/,
  );
});

const both = (pair: Pair) => pair.key + pair.cert;
/** Where each mode finds its files. */
const places: readonly {
  readonly mode: string;
  readonly env?: Record<string, string>;
  readonly files: () => Record<string, string>;
}[] = [
  { mode: "custom", files: () => ({ [`config/ssl/${HOST}-full.pem`]: both(ec) }) },
  {
    mode: "self-signed",
    files: () => ({ [`config/ssl/${HOST}-cert.pem`]: ec.cert, [`config/ssl/${HOST}-key.pem`]: ec.key }),
  },
  {
    mode: "snakeoil",
    files: () => ({
      "ssl/certs/ssl-cert-snakeoil.pem": ec.cert,
      "ssl/private/ssl-cert-snakeoil.key": ec.key,
    }),
  },
  ...[
    ["certbot", `live/${HOST}/fullchain.pem`, `live/${HOST}/privkey.pem`],
    ["acme-companion", `live/${HOST}/fullchain.pem`, `live/${HOST}/key.pem`],
    ["the domain's folder", "live/example.org/fullchain.pem", "live/example.org/privkey.pem"],
    ["lego", `certificates/${HOST}.crt`, `certificates/${HOST}.key`],
    ["acme.sh, ECDSA", `${HOST}_ecc/fullchain.cer`, `${HOST}_ecc/${HOST}.key`],
    ["acme.sh, RSA", `${HOST}/fullchain.cer`, `${HOST}/${HOST}.key`],
  ].map(([program, chain, key]) => ({
    mode: `letsencrypt (${program})`,
    files: () => ({ [`letsencrypt/${chain}`]: ec.cert, [`letsencrypt/${key}`]: ec.key }),
  })),
  {
    mode: "letsencrypt (SSL_DOMAIN, a wildcard)",
    env: { SSL_DOMAIN: "*.example.org" },
    files: () => ({
      "letsencrypt/live/example.org/fullchain.pem": ec.cert,
      "letsencrypt/live/example.org/privkey.pem": ec.key,
      [`letsencrypt/live/${HOST}/fullchain.pem`]: other.cert,
      [`letsencrypt/live/${HOST}/privkey.pem`]: other.key,
    }),
  },
];
for (const { mode, env = {}, files } of places)
  test(`SSL_TYPE=${mode} serves what lies there`, async (t) => {
    for (const [file, text] of Object.entries(files())) await put(join(directories.config, "..", file), text);
    const tls = await load(t, { SSL_TYPE: mode.split(" ")[0]!, ...env });
    assert.equal(tls.status()[0]?.problem, undefined);
    if (hasTool(t, "openssl", "openssl")) assert.equal(await shown(tls), await serialOf(ec.cert));
  });

const stored = (pair: Pair, main: string, sans: string[] = []) => ({
  domain: { main, sans },
  certificate: Buffer.from(pair.cert).toString("base64"),
  key: Buffer.from(pair.key).toString("base64"),
  Store: "default",
});

test("Traefik's acme.json is watched: a renewal there is served, and nonsense or a certificate that vanished leaves the working one", async (t) => {
  if (!hasTool(t, "openssl", "openssl")) return;
  const file = join(letsencrypt, "acme.json");
  const write = (Certificates: unknown) =>
    put(
      file,
      JSON.stringify({ http: { Account: {}, Certificates: null }, dns: { Account: {}, Certificates } }),
    );
  const halfMade = { domain: { main: HOST }, certificate: "", key: "" };
  await write([stored(other, "www.example.org"), halfMade, stored(ec, "example.org", [HOST])]);
  const tls = await load(t, { SSL_TYPE: "letsencrypt" });
  assert.equal(await shown(tls), await serialOf(ec.cert));
  await write([stored(other, HOST)]);
  await tls.reload();
  assert.equal(await shown(tls), await serialOf(other.cert));
  for (const [text, problem] of [
    ["{ half", /is not Traefik's store/],
    ["{}", /has no certificate for mail\.example\.org or example\.org/],
    [
      JSON.stringify({ r: { Certificates: [{ ...stored(ec, HOST), key: stored(rsa, HOST).key }] } }),
      /is not the key/,
    ],
  ] as const) {
    await put(file, text);
    await tls.reload();
    assert.match(tls.status()[0]?.problem ?? "", problem);
    assert.equal(await shown(tls), await serialOf(other.cert));
  }
});

test("acme.json of Traefik 1 is read as well", async (t) => {
  const { domain, certificate, key } = stored(ec, HOST);
  const entry = { Domain: { Main: domain.main, SANs: null }, Certificate: certificate, Key: key };
  await put(join(letsencrypt, "acme.json"), JSON.stringify({ Account: {}, Certificates: [entry] }));
  assert.deepEqual((await load(t, { SSL_TYPE: "letsencrypt" })).status()[0]?.names, [HOST]);
});

test("what a mode misses is named with what to do, and served as soon as it is there", async (t) => {
  const problemOf = async (env: Record<string, string>) => (await load(t, env)).status()[0]?.problem ?? "";
  assert.match(
    await problemOf({ SSL_TYPE: "letsencrpyt" }),
    /SSL_TYPE=letsencrpyt is not known; there are: l/,
  );
  assert.match(await problemOf({ SSL_TYPE: "manual", SSL_CERT_PATH: "/x" }), /SSL_KEY_PATH is not set/);
  assert.match(
    await problemOf({ SSL_TYPE: "manual", SSL_CERT_PATH: "/no/cert", SSL_KEY_PATH: "/no/key" }),
    /\/no\/cert cannot be read: ENOENT/,
  );
  assert.match(await problemOf({ SSL_TYPE: "letsencrypt" }), /has no certificate for mail\.example\.org or/);
  const tls = await load(t, { SSL_TYPE: "letsencrypt" });
  await put(join(letsencrypt, "live", HOST, "fullchain.pem"), ec.cert);
  await tls.reload();
  assert.match(tls.status()[0]?.problem ?? "", /privkey\.pem cannot be read: ENOENT/);
  await put(join(letsencrypt, "live", HOST, "privkey.pem"), ec.key);
  await tls.reload();
  assert.equal(tls.status()[0]?.problem, undefined);
  await rm(join(letsencrypt, "live"), { recursive: true });
  await tls.reload();
  assert.match(tls.status()[0]?.problem ?? "", /has no certificate for/);
  assert.deepEqual(tls.status()[0]?.names, [HOST], "what vanished is still served");
});
