/**
 * OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, which came before it) as the server's side of a conversation:
 * a client shows an access token. A refusal is told as JSON, which the client answers with one empty message.
 */
import { decodeUtf8, type SaslExchange, type SaslStep } from "./sasl.ts";

const malformed: SaslStep = { kind: "malformed" };
const FIELD_END = "\x01";
const MAX_TOKEN = 16 * 1024;

/** What a refused client is told; RFC 7628 §3.2.2, and what Google says. */
const REFUSALS = {
  OAUTHBEARER: { status: "invalid_token", schemes: "bearer" },
  XOAUTH2: { status: "400", schemes: "Bearer", scope: "mail" },
} as const;

export function bearer(mechanism: keyof typeof REFUSALS): SaslExchange {
  return {
    next(response) {
      if (response === undefined) return { kind: "challenge", bytes: Buffer.alloc(0) };
      const text = decodeUtf8(response);
      if (text === undefined || text.length > MAX_TOKEN) return malformed;
      return mechanism === "XOAUTH2" ? xoauth2(text) : oauthBearer(text);
    },
    conclude: (result) =>
      result.ok || result.reason !== "credentials"
        ? undefined
        : Buffer.from(JSON.stringify(REFUSALS[mechanism])),
  };
}

/** `n,a=user@example.org,^Ahost=…^Aport=…^Aauth=Bearer …^A^A` (RFC 7628 §3.1). */
function oauthBearer(text: string): SaslStep {
  const parts = /^[ny],(?:a=([^,]*))?,\x01(.*)\x01$/s.exec(text);
  if (!parts) return malformed;
  const username = (parts[1] ?? "").replaceAll("=2C", ",").replaceAll("=3D", "=");
  return credentials(username, parts[2]!);
}

/** `user=user@example.org^Aauth=Bearer …^A^A`. */
function xoauth2(text: string): SaslStep {
  const parts = /^user=([^\x01]*)\x01(.*)\x01$/s.exec(text);
  return parts ? credentials(parts[1]!, parts[2]!) : malformed;
}

function credentials(username: string, fields: string): SaslStep {
  for (const field of fields.split(FIELD_END)) {
    const token = /^auth=Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(field)?.[1];
    if (token !== undefined) return { kind: "credentials", username, authorizationId: "", token };
  }
  return malformed;
}
