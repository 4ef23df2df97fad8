import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { connectAdmin } from "../../admin/client.ts";
import {
  answerLine,
  type OperationAnswer,
  type OperationName,
  type OperationRequest,
} from "../../admin/contract.ts";
import { perform } from "../../admin/operations.ts";
import { createResolver } from "../../dns/resolver.ts";
import { directoryWith, freePort, hasTool, run, serve, startKnot } from "../../dns/test-support.ts";
import { startServer } from "../../server.ts";
import { acmeIssuerSchema } from "../../settings/certificate-issuer.ts";
import { directoriesBelow } from "../../settings/directories.ts";
import { makePrivateKey } from "../x509.ts";
import { AcmeFailure } from "./failure.ts";
import { orderCertificate } from "./order.ts";
import { startPebble, trustedFiles } from "./pebble-for-tests.ts";

const version = "0.0.0-test";
const owner = "test";
const NAME = "mail.green.test";

async function temporary(t: TestContext): Promise<string> {
  const root = await mkdtemp(path.join(os.tmpdir(), "mailkeep-acme-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  return root;
}

async function server(t: TestContext, proxyProtocol: readonly string[] = []) {
  const directories = directoriesBelow(await temporary(t));
  const listeners = (["http", "https", "imaps"] as const).map((protocol) => ({
    protocol,
    address: "127.0.0.1",
    port: 0,
    proxyProtocol: protocol === "https" ? [...proxyProtocol] : [],
  }));
  const settings = { hostname: NAME, listeners, dns: { servers: ["127.0.0.1:9"] }, workers: { most: 1 } };
  await perform("settings.put", { settings, owner }, { directories, version });
  await perform(
    "certificate.put",
    { names: [NAME], issuer: { type: "local-ca" }, owner },
    { directories, version },
  );
  const running = await startServer({
    directories,
    env: {},
    version,
    logToStdout: false,
    onStopRequested: () => {},
  });
  t.after(() => running.stop(1000));
  const portOf = (protocol: string) =>
    running.listeners().find((one) => one.protocol === protocol)?.port ?? 0;
  const client = await connectAdmin(directories.run);
  assert.ok(client);
  t.after(() => client.close());
  const admin = {
    async perform<N extends OperationName>(
      operation: N,
      request: OperationRequest<N>,
    ): Promise<OperationAnswer<N>> {
      const line = answerLine.parse(JSON.parse(await client.ask(JSON.stringify({ operation, request }))));
      if (!line.ok) throw new Error(line.message);
      return line.answer as OperationAnswer<N>;
    },
  };
  return { directories, portOf, admin };
}

/** What an order may use, with a name server on the loopback. */
async function surroundings(t: TestContext, dnsPort: number) {
  const resolver = createResolver({ servers: [`127.0.0.1:${dnsPort}`] });
  t.after(() => resolver.close());
  return { state: await temporary(t), resolver };
}

type Running = Awaited<ReturnType<typeof server>>;

async function session(t: TestContext, port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", servername: NAME, rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}
async function issuerServed(t: TestContext, port: number): Promise<string> {
  const socket = await session(t, port);
  return socket.getPeerX509Certificate()?.issuer ?? "";
}

/** Waits until the order has ended, well or not. */
async function ended({ admin }: Running): Promise<OperationAnswer<"certificate.read">> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const state = await admin.perform("certificate.read", { names: [NAME] });
    if (state.issued || state.lastError !== undefined) return state;
    await sleep(100);
  }
  throw new Error("the order did not end");
}

for (const [type, listener] of [
  ["http-01", "http"],
  ["tls-alpn-01", "https"],
] as const)
  test(`a certificate is ordered by ${type} from a real authority that refuses nonces, and swapped in under open sessions (RFC 8555, RFC 8737)`, async (t) => {
    const running = await server(t);
    const { portOf, admin, directories } = running;
    const pebble = await startPebble(t, {
      [listener === "http" ? "httpPort" : "tlsPort"]: portOf(listener),
      nonceReject: 30,
    });
    if (pebble === undefined) return;
    const { directory } = pebble;
    const open = await session(t, portOf("imaps"));
    assert.match(await issuerServed(t, portOf("imaps")), /mailkeep local authority/);

    const issuer = { type: "acme" as const, directory, email: "op@green.test", challenge: { type } };
    const put = await admin.perform("certificate.put", { names: [NAME], issuer, owner });
    const state = await ended(running);
    assert.equal(state.lastError, undefined);
    assert.equal(state.issued, true);
    assert.ok(Date.parse(state.nextOrder ?? "") > Date.now());
    assert.equal(state.spkiSha256, put.spkiSha256, "the key that TLSA announces stays (RFC 7671 §8.1)");
    assert.match(await issuerServed(t, portOf("imaps")), /Pebble/);
    const { ports, lines } = await admin.perform("tls.status", {});
    assert.equal(ports.length, 2, "https and imaps, one name");
    for (const { name, issuer, key, problem } of ports) {
      assert.equal(name, NAME);
      assert.match(issuer ?? "", /Pebble/);
      assert.equal(key, "ec prime256v1");
      assert.match(problem ?? "", /UNABLE_TO|SELF_SIGNED/, "nobody trusts pebble");
    }
    assert.match(lines.join("\n"), /^declared mail\.green\.test: by https:.*; issued; next order 20/m);

    open.write("a NOOP\r\n");
    const chunks: Buffer[] = [];
    for await (const chunk of open as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (Buffer.concat(chunks).includes("a OK")) break;
    }
    const proofs = path.join(directories.state, "acme", "proofs", listener === "http" ? "http" : "alpn");
    assert.deepEqual(await readdir(proofs), [], "no proof is left behind");
    const again = await admin.perform("certificate.put", { names: [NAME], issuer, owner });
    assert.equal(again.fingerprint, state.fingerprint, "declaring it again orders nothing");
  });

test("behind HAProxy at port 443, which passes TLS on by name with a PROXY header, TLS-ALPN-01 works and clients are served (RFC 8737)", async (t) => {
  if (!hasTool(t, "haproxy", "haproxy")) return;
  const running = await server(t, ["127.0.0.1"]);
  const { portOf, admin } = running;
  const front = await freePort();
  const config = `defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
frontend tls
  bind 127.0.0.1:${front}
  tcp-request inspect-delay 10s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend mail if { req.ssl_sni -i ${NAME} }
backend mail
  server mailkeep 127.0.0.1:${portOf("https")} send-proxy-v2
`;
  const folder = await directoryWith(t, { "haproxy.cfg": config });
  await serve(t, "haproxy", ["-db", "-f", path.join(folder, "haproxy.cfg")], () =>
    issuerServed(t, front).then(
      (issuer) => issuer !== "",
      () => false,
    ),
  );
  const pebble = await startPebble(t, { tlsPort: front });
  if (pebble === undefined) return;
  const { directory } = pebble;
  const issuer = { type: "acme" as const, directory, challenge: { type: "tls-alpn-01" as const } };
  await admin.perform("certificate.put", { names: [NAME], issuer, owner });
  const state = await ended(running);
  assert.equal(state.lastError, undefined);
  assert.match(await issuerServed(t, front), /Pebble/);
});

test("a proof that the authority cannot see is named, with when it is tried again; what was served stays", async (t) => {
  const running = await server(t);
  const { portOf, admin } = running;
  const pebble = await startPebble(t, { httpPort: await freePort() });
  if (pebble === undefined) return;
  const { directory } = pebble;
  const issuer = { type: "acme" as const, directory };
  await admin.perform("certificate.put", { names: [NAME], issuer, owner });
  const state = await ended(running);
  assert.equal(state.issued, false);
  assert.match(state.lastError ?? "", /^challenge: mail\.green\.test by http-01: .*connection refused/i);
  const wait = Date.parse(state.nextOrder ?? "") - Date.now();
  assert.ok(wait > 240_000 && wait < 900_000, `${wait} ms`);
  assert.match(await issuerServed(t, portOf("imaps")), /mailkeep local authority/);
  const { problems } = await admin.perform("status", {});
  assert.ok(problems.some(({ reason }) => reason.startsWith("challenge: ")));
});

test("a wildcard is proven by DNS-01 over signed updates to a real name server, and the record taken away (RFC 8555 §8.4, RFC 2136)", async (t) => {
  if (!hasTool(t, "knotd", "knot")) return;
  const key = {
    name: "acme",
    algorithm: "hmac-sha256" as const,
    secret: randomBytes(32).toString("base64"),
  };
  const zone = "$TTL 300\n@ SOA ns h 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\n";
  const dnsPort = await startKnot(
    t,
    { "green.test": { text: zone, lines: ["acl: ours"] } },
    `key:\n  - id: acme\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}\nacl:\n  - id: ours\n    key: acme\n    action: update`,
  );
  const pebble = await startPebble(t, { dnsPort });
  if (pebble === undefined) return;
  const { directory } = pebble;
  const publisher = { type: "rfc2136" as const, server: "127.0.0.1", port: dnsPort, zone: "green.test", key };
  const issuer = acmeIssuerSchema.parse({
    type: "acme",
    directory,
    challenge: { type: "dns-01", publisher, settleSeconds: 0 },
  });
  const names = ["green.test", "*.green.test"];
  const chain = await orderCertificate(await surroundings(t, dnsPort), {
    names,
    issuer,
    privateKeyPem: await makePrivateKey(),
  });
  assert.match(new X509Certificate(chain).subjectAltName ?? "", /DNS:\*\.green\.test/);
  const left = await run(
    "kdig",
    "@127.0.0.1",
    "-p",
    String(dnsPort),
    "_acme-challenge.green.test",
    "TXT",
    "+short",
  );
  assert.equal(left.trim(), "");
});

/** An authority that answers as told. */
async function authority(t: TestContext, listener: RequestListener): Promise<string> {
  const folder = await directoryWith(t, {});
  await trustedFiles(t, folder);
  const [cert, tlsKey] = await Promise.all(
    ["cert.pem", "key.pem"].map((name) => readFile(path.join(folder, name), "utf8")),
  );
  const made = createServer({ cert: cert!, key: tlsKey! }, listener).listen(0, "127.0.0.1");
  await once(made, "listening");
  t.after(() => {
    made.closeAllConnections();
    made.close();
  });
  return `https://127.0.0.1:${(made.address() as AddressInfo).port}/dir`;
}
async function failureOf(t: TestContext, directory: string, wholeMs?: number): Promise<AcmeFailure> {
  const issuer = acmeIssuerSchema.parse({ type: "acme", directory });
  const wanted = { names: [NAME], issuer, privateKeyPem: await makePrivateKey() };
  try {
    await orderCertificate(await surroundings(t, 9), wanted, wholeMs);
  } catch (error) {
    assert.ok(error instanceof AcmeFailure, String(error));
    return error;
  }
  throw new Error("nothing failed");
}

test("an authority that is down, slow, limits, or answers nonsense is named so within the time", async (t) => {
  const json = { "content-type": "application/problem+json" };
  const down = await failureOf(t, `https://127.0.0.1:${await freePort()}/dir`);
  assert.equal(down.code, "unreachable");
  const slow = await failureOf(t, await authority(t, () => {}), 300);
  assert.equal(slow.code, "unreachable");
  assert.match(slow.message, /did not finish within 0\.3 s/);
  const limited = await failureOf(
    t,
    await authority(t, (_request, response) => {
      const problem = { type: "urn:ietf:params:acme:error:rateLimited", detail: "too many certificates" };
      response.writeHead(429, { ...json, "retry-after": "7200" }).end(JSON.stringify(problem));
    }),
  );
  assert.equal(limited.code, "rate-limited");
  assert.equal(limited.retryAfterMs, 7_200_000);
  assert.match(limited.message, /too many certificates/);
  const page = await failureOf(
    t,
    await authority(t, (_request, response) => void response.writeHead(200).end("<html>parked</html>")),
  );
  assert.equal(page.code, "nonsense");
  const endless = await failureOf(
    t,
    await authority(t, (_request, response) => {
      response.writeHead(200, json);
      response.end(Buffer.alloc(2_000_000, "x"));
    }),
  );
  assert.ok(["nonsense", "unreachable"].includes(endless.code), endless.code);
});
