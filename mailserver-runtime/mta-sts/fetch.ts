/**
 * Fetches a policy file over HTTPS (RFC 8461 §3.3): from `mta-sts.<domain>` alone, with a certificate that has that name
 * as a DNS-ID, no redirect, `text/plain`, within size and time. Addresses come from our own resolver.
 *
 * mailauth has a fetch too; it takes neither authorities of one's own nor a second address of the host.
 */
import { X509Certificate } from "node:crypto";
import { request } from "node:https";
import type { LookupFunction } from "node:net";
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from "node:tls";
import { addresses, type Resolver } from "../dns/resolver.ts";
import { StsError } from "./policy.ts";

export interface FetchOptions {
  readonly resolver: Resolver;
  /** Authorities that are trusted; Node's own where absent. */
  readonly ca?: ConnectionOptions["ca"];
  /** 443 but in tests. */
  readonly port?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** RFC 8461 §3.3 suggests 64 KiB, and a minute; a delivery waits for this, so it is half of that. */
const MAX_POLICY_BYTES = 64 * 1024;
const TIMEOUT_MS = 30_000;
/** How Node names certificates that do not do. */
const CERTIFICATE_ERROR =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT|INVALID_|HOSTNAME_MISMATCH|PATH_LENGTH)/;

/** The text of the domain's policy file. @throws {StsError} */
export async function fetchPolicyFile(domain: string, options: FetchOptions): Promise<string> {
  const host = `mta-sts.${domain}`;
  const { port = 443, ca, timeoutMs = TIMEOUT_MS } = options;
  const limit = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]);
  return new Promise((resolve, reject) => {
    const fail = (type: StsError["type"], reason: string): void => {
      reject(new StsError(type, `the policy of https://${host} cannot be fetched: ${reason}`));
      outgoing.destroy();
    };
    const outgoing = request({
      host,
      port,
      path: "/.well-known/mta-sts.txt",
      headers: { accept: "text/plain" },
      servername: host,
      lookup: lookupOver(options.resolver, signal),
      ca,
      rejectUnauthorized: true,
      checkServerIdentity: identityProblem,
      minVersion: "TLSv1.2",
      agent: false,
      signal,
      maxHeaderSize: 16 * 1024,
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "";
      if (limit.aborted) fail("sts-policy-fetch-error", `no answer within ${Math.ceil(timeoutMs / 1000)} s`);
      else
        fail(CERTIFICATE_ERROR.test(code) ? "sts-webpki-invalid" : "sts-policy-fetch-error", error.message);
    });
    outgoing.on("response", (incoming) => {
      const { statusCode, headers } = incoming;
      if (statusCode !== 200)
        return fail("sts-policy-fetch-error", `it was answered with status ${statusCode}, which is not 200`);
      const mediaType = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
      if (mediaType !== "text/plain")
        return fail("sts-policy-fetch-error", `its media type is "${mediaType}" instead of text/plain`);
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_POLICY_BYTES)
          fail("sts-policy-fetch-error", `it is larger than ${MAX_POLICY_BYTES} octets`);
        else chunks.push(chunk);
      });
      incoming.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
      incoming.on("close", () => {
        if (!incoming.complete) fail("sts-policy-fetch-error", "the answer broke off");
      });
    });
    outgoing.end();
  });
}

/** Node's check, and that the name stands among the DNS-IDs: a common name does not count (RFC 8461 §3.3). */
function identityProblem(host: string, certificate: PeerCertificate): Error | undefined {
  const problem = checkServerIdentity(host, certificate);
  if (problem !== undefined) return problem;
  const named = new X509Certificate(certificate.raw).checkHost(host, {
    subject: "never",
    partialWildcards: false,
  });
  if (named !== undefined) return undefined;
  return Object.assign(new Error(`the certificate does not have ${host} as a DNS-ID`), {
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
}

function lookupOver(resolver: Resolver, signal: AbortSignal): LookupFunction {
  return (host, options, done) => {
    addresses(resolver, host, { signal }).then(({ status, addresses: found, reason }) => {
      const [first] = found;
      if (first === undefined)
        done(new Error(`${host} has no address (${reason ?? status})`), options.all ? [] : "");
      else if (options.all) done(null, [...found]);
      else done(null, first.address, first.family);
    });
  };
}
