/**
 * SASL mechanisms as the server's side of a conversation (RFC 4422), and how it is led: PLAIN (RFC 4616) and
 * LOGIN (the two prompts of draft-murchison-sasl-login, which Outlook still speaks) are here, SCRAM and the
 * bearer tokens in files of their own, and `sasl-offer.ts` says which are offered.
 *
 * Pure: an exchange takes the client's decoded responses and says what comes next; the protocol does base64,
 * the continuation and the replies, and the authenticator knows who is there.
 */
import type { ChannelBindingType } from "../net/connection.ts";
import type { Claim, LoginResult } from "./authenticator.ts";

/** What a client claims, and whom it wants to be; "" is the same as the user name (RFC 4616 §2). */
export type Credentials = Claim & { readonly authorizationId: string };
export type SaslStep =
  /** Send this to the client (base64 encoded by the protocol) and come back with its response. */
  | { readonly kind: "challenge"; readonly bytes: Buffer }
  | ({ readonly kind: "credentials" } & Credentials)
  | { readonly kind: "malformed" };
export interface SaslExchange {
  /** `response` is undefined at the start when the command carried no initial response. */
  next(response: Buffer | undefined): SaslStep;
  /** A last challenge that tells the client the result; its response says nothing and is only awaited. */
  conclude?(result: LoginResult): Buffer | undefined;
}
/** What a mechanism may know of the connection. */
export interface SaslContext {
  /** The TLS channel's own bytes; undefined where it has none of that type. */
  channelBinding(type: ChannelBindingType): Buffer | undefined;
}

/** What the protocol does for an exchange. */
export interface SaslDialogue {
  /** Sends a challenge and gives the decoded response; or says why there is none. */
  challenge(bytes: Buffer): Promise<Buffer | "cancelled" | "not-base64">;
  verify(credentials: Credentials): Promise<LoginResult>;
}
export type SaslOutcome = LoginResult | "malformed" | "cancelled" | "not-base64";

/** Leads an exchange to its end. Rejects only as the dialogue does. */
export async function converse(
  exchange: SaslExchange,
  initial: Buffer | undefined,
  dialogue: SaslDialogue,
): Promise<SaslOutcome> {
  let response = initial;
  for (;;) {
    const step = exchange.next(response);
    if (step.kind === "malformed") return "malformed";
    if (step.kind === "credentials") {
      const { kind: _, ...credentials } = step;
      const result = await dialogue.verify(credentials);
      const last = exchange.conclude?.(result);
      if (last !== undefined) {
        const answer = await dialogue.challenge(last);
        if (typeof answer === "string" && result.ok) return answer;
      }
      return result;
    }
    const answer = await dialogue.challenge(step.bytes);
    if (typeof answer === "string") return answer;
    response = answer;
  }
}

/** A response as it came in base64 (RFC 4954 §4, RFC 9051 §6.2.2): "=" is the empty one; undefined when it is no base64. */
export function decodeSaslResponse(text: string): Buffer | undefined {
  if (text === "=") return Buffer.alloc(0);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}

const malformed: SaslStep = { kind: "malformed" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Text of a response; undefined when it is no UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

export function plain(): SaslExchange {
  return {
    next(response) {
      if (response === undefined) return { kind: "challenge", bytes: Buffer.alloc(0) };
      const parts = decodeUtf8(response)?.split("\0");
      const [authorizationId, username, password] = parts ?? [];
      if (parts?.length !== 3 || !username || !password || authorizationId === undefined) return malformed;
      return { kind: "credentials", username, password, authorizationId };
    },
  };
}

export function login(): SaslExchange {
  let prompted = false;
  let username: string | undefined;
  return {
    next(response) {
      if (response === undefined) {
        if (prompted) return malformed;
        prompted = true;
        return { kind: "challenge", bytes: Buffer.from("Username:") };
      }
      const text = decodeUtf8(response);
      if (text === undefined || text === "" || text.includes("\0")) return malformed;
      if (username === undefined) {
        username = text;
        return { kind: "challenge", bytes: Buffer.from("Password:") };
      }
      return { kind: "credentials", username, password: text, authorizationId: "" };
    },
  };
}
