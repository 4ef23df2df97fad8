/**
 * Who puts the TXT record of DNS-01 into a zone: an RFC 2136 primary, or Cloudflare's API. Only the very record is added
 * and removed; a second order for the same name (a wildcard beside its base) keeps its own.
 */
import { dnsRecord } from "../../dns/records.ts";
import { updateZone } from "../../dns/update.ts";
import type { ChallengePublisher } from "../../settings/certificate-issuer.ts";
import { AcmeFailure } from "./failure.ts";

type Publish<T extends ChallengePublisher["type"]> = (
  publisher: Extract<ChallengePublisher, { type: T }>,
  name: string,
  text: string,
) => Promise<() => Promise<void>>;

const TTL = 60;
const REQUEST_MS = 20_000;
const LARGEST_ANSWER = 262_144;

const publishers: { readonly [T in ChallengePublisher["type"]]: Publish<T> } = {
  async rfc2136({ server, port, zone, key }, name, text) {
    const record = dnsRecord({ type: "TXT", name, ttl: TTL, strings: [text] });
    const update = async (change: { create?: (typeof record)[]; remove?: (typeof record)[] }) => {
      const result = await updateZone({
        server: { address: server, port },
        zone,
        create: [],
        remove: [],
        ...change,
        ...(key && { key }),
      });
      if (!result.ok) throw new AcmeFailure("publish", `${name} TXT: ${result.message}`);
    };
    await update({ create: [record] });
    return () => update({ remove: [record] });
  },
  async cloudflare({ token, zoneId, endpoint }, name, text) {
    const records = `${endpoint}/zones/${zoneId}/dns_records`;
    const body = { type: "TXT", name, content: `"${text}"`, ttl: TTL, comment: "mailkeep: ACME challenge" };
    const created = await ask(token, records, { method: "POST", body: JSON.stringify(body) });
    const id = created?.id;
    if (typeof id !== "string" || !/^[\w-]{1,64}$/.test(id))
      throw new AcmeFailure("publish", `${records} made a record without an id`);
    return async () => void (await ask(token, `${records}/${id}`, { method: "DELETE" }));
  },
};

/** Adds the record, and gives what removes it. @throws {AcmeFailure} "publish" */
export function publishRecord(
  publisher: ChallengePublisher,
  name: string,
  text: string,
): Promise<() => Promise<void>> {
  return (publishers[publisher.type] as Publish<ChallengePublisher["type"]>)(publisher, name, text);
}

/** One request to Cloudflare's API; its `result`. The token stands in no message. */
async function ask(
  token: string,
  url: string,
  init: { readonly method: string; readonly body?: string },
): Promise<{ readonly id?: unknown } | undefined> {
  const where = `${init.method} ${url}`;
  try {
    const response = await fetch(url, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const answer = JSON.parse(await limitedText(response)) as {
      readonly success?: unknown;
      readonly errors?: readonly { readonly code?: unknown; readonly message?: unknown }[];
      readonly result?: { readonly id?: unknown };
    };
    if (response.ok && answer.success === true) return answer.result;
    const { code, message } = answer.errors?.[0] ?? {};
    const hint =
      response.status === 401 || response.status === 403
        ? "; the token needs Zone.DNS edit for this zone"
        : "";
    throw new AcmeFailure(
      "publish",
      `${where} answered ${response.status}: ${String(message ?? "no reason")} (${String(code ?? "-")})${hint}`,
    );
  } catch (error) {
    if (error instanceof AcmeFailure) throw error;
    throw new AcmeFailure("publish", `${where}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function limitedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > LARGEST_ANSWER) throw new Error(`the answer is larger than ${LARGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
