/**
 * The two requests to Cloudflare's API (v4) that its plugin has no way for: changing a record that is about to be imported,
 * and taking away one that an interrupted run left. Waits where the API asks to (429), and says so. The token stands in no
 * message.
 */
import { setTimeout as wait } from "node:timers/promises";
import { missingRight } from "./cloudflare-rights.ts";

export interface CloudflareAccess {
  readonly token: string;
  /** The API's address; Cloudflare's own when absent. */
  readonly baseUrl?: string | undefined;
  /** Told while the API asks to wait. */
  readonly tell?: (text: string) => void;
}

export interface RecordReference {
  readonly zoneId: string;
  readonly recordId: string;
}

const CLOUDFLARE = "https://api.cloudflare.com/client/v4";
const REQUEST_MS = 30_000;
const MOST_TRIES = 8;
const MOST_PAUSE_SECONDS = 120;
const LARGEST_ANSWER = 1 << 20;

/** Writes the whole record (PUT). @throws Error with what the answer means */
export async function writeRecord(
  access: CloudflareAccess,
  at: RecordReference,
  body: object,
): Promise<void> {
  await request(access, at, { method: "PUT", body: JSON.stringify(body) });
}

/** Takes the record away; one that is gone already is no error. @throws Error with what the answer means */
export async function removeRecord(access: CloudflareAccess, at: RecordReference): Promise<void> {
  await request(access, at, { method: "DELETE" }, [404]);
}

/** The record, undefined when there is none. @throws Error with what the answer means */
export async function readRecord(
  access: CloudflareAccess,
  at: RecordReference,
): Promise<Record<string, unknown> | undefined> {
  return request(access, at, { method: "GET" }, [404]);
}

async function request(
  { token, baseUrl = CLOUDFLARE, tell }: CloudflareAccess,
  { zoneId, recordId }: RecordReference,
  init: { readonly method: string; readonly body?: string },
  accepted: readonly number[] = [],
): Promise<Record<string, unknown> | undefined> {
  const url = `${baseUrl.replace(/\/+$/, "")}/zones/${zoneId}/dns_records/${recordId}`;
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    if (response.status === 429 && attempt < MOST_TRIES) {
      const seconds = Math.min(
        Number(response.headers.get("retry-after")) || 2 ** attempt,
        MOST_PAUSE_SECONDS,
      );
      tell?.(`Cloudflare's rate limit is used up; waiting ${seconds} s as it asks.`);
      await response.body?.cancel();
      await wait(seconds * 1000);
      continue;
    }
    const text = (await response.text()).slice(0, LARGEST_ANSWER);
    if (accepted.includes(response.status)) return undefined;
    if (!response.ok)
      throw new Error(
        missingRight("edit", `${init.method} of the record ${recordId}`, `${response.status} ${text}`),
      );
    const { result } = JSON.parse(text) as { result?: Record<string, unknown> };
    return result;
  }
}
