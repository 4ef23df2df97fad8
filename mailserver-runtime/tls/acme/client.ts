/**
 * acme-client, bounded: it is loaded at the first order, no request takes longer than half a minute, no answer is larger
 * than a megabyte, and a refusal ends the order at once instead of being tried again inside it; waiting is the
 * renewal's business (renewals.ts), which knows how long the authority wants.
 */
import { Agent } from "node:https";
import { getCACertificates } from "node:tls";
import { AcmeFailure, problemFailure } from "./failure.ts";

type Library = typeof import("acme-client");

const REQUEST_MS = 30_000;
const LARGEST_ANSWER = 1_048_576;

let loaded: Promise<Library> | undefined;

export function acmeLibrary(): Promise<Library> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Library> {
  const module = await import("acme-client");
  const acme = "default" in module ? (module.default as Library) : module;
  const { defaults, interceptors } = acme.axios;
  Object.assign(defaults, {
    timeout: REQUEST_MS,
    maxContentLength: LARGEST_ANSWER,
    maxRedirects: 0,
  });
  // Its own would try again for as long as the answer says, hours even, and nobody could tell.
  interceptors.response.clear();
  interceptors.request.clear();
  defaults.validateStatus = () => true;
  interceptors.response.use((response) => {
    const { status, data, headers } = response;
    // A stale nonce is met by the library with the fresh one in the answer (RFC 8555 §6.5).
    const isNonce = typeof data?.type === "string" && data.type.endsWith(":badNonce");
    if (status < 400 || isNonce) return response;
    const wait = retryAfterMs(String(headers["retry-after"] ?? ""));
    throw (
      problemFailure(data, wait) ??
      new AcmeFailure(
        status === 429 ? "rate-limited" : status >= 500 ? "unreachable" : "nonsense",
        `${response.config.url} answered with status ${status}`,
        wait,
      )
    );
  }, unanswered);
  return acme;
}

/** Whom the authority's own HTTPS is trusted by besides the usual ones, from now on: orders are made one at a time. */
export async function trustDirectoryBy(authorities: string | undefined): Promise<void> {
  const { defaults } = (await acmeLibrary()).axios;
  defaults.httpsAgent =
    authorities === undefined ? undefined : new Agent({ ca: [...getCACertificates("default"), authorities] });
}

/** A request without an answer, or with one that is too large or no HTTP. */
function unanswered(error: unknown): never {
  const { message, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  throw new AcmeFailure(
    code === "ERR_BAD_RESPONSE" || code?.startsWith("HPE_") ? "nonsense" : "unreachable",
    `${message || "no answer"} (${code ?? "-"})`,
  );
}

/** RFC 9110 §10.2.3: seconds or a date. */
export function retryAfterMs(text: string, now = Date.now()): number | undefined {
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = text === "" ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
