/**
 * SASL mechanisms as the server's side of a conversation (RFC 4422): PLAIN (RFC 4616) and LOGIN (the two
 * prompts of draft-murchison-sasl-login, which Outlook still speaks).
 *
 * Pure: an exchange takes the client's decoded responses and says what comes next; the protocol does base64,
 * the continuation and the replies, and the authenticator knows who is there.
 */

export type SaslStep =
  /** Send this to the client (base64 encoded by the protocol) and come back with its response. */
  | { readonly kind: "challenge"; readonly bytes: Buffer }
  /** `authorizationId` is whom the client wants to be; "" is the same as the user name (RFC 4616 §2). */
  | {
      readonly kind: "credentials";
      readonly username: string;
      readonly password: string;
      readonly authorizationId: string;
    }
  | { readonly kind: "malformed" };
export interface SaslExchange {
  /** `response` is undefined at the start when the command carried no initial response. */
  next(response: Buffer | undefined): SaslStep;
}

/** Mechanisms by name, in the order they are advertised. */
export const saslMechanisms: ReadonlyMap<string, () => SaslExchange> = new Map([
  ["PLAIN", plain],
  ["LOGIN", login],
]);

/** A response as it came in base64 (RFC 4954 §4, RFC 9051 §6.2.2): "=" is the empty one; undefined when it is no base64. */
export function decodeSaslResponse(text: string): Buffer | undefined {
  if (text === "=") return Buffer.alloc(0);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}

const malformed: SaslStep = { kind: "malformed" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function plain(): SaslExchange {
  return {
    next(response) {
      if (response === undefined) return { kind: "challenge", bytes: Buffer.alloc(0) };
      const parts = decode(response)?.split("\0");
      const [authorizationId, username, password] = parts ?? [];
      if (parts?.length !== 3 || !username || !password || authorizationId === undefined) return malformed;
      return { kind: "credentials", username, password, authorizationId };
    },
  };
}

function login(): SaslExchange {
  let prompted = false;
  let username: string | undefined;
  return {
    next(response) {
      if (response === undefined) {
        if (prompted) return malformed;
        prompted = true;
        return { kind: "challenge", bytes: Buffer.from("Username:") };
      }
      const text = decode(response);
      if (text === undefined || text === "" || text.includes("\0")) return malformed;
      if (username === undefined) {
        username = text;
        return { kind: "challenge", bytes: Buffer.from("Password:") };
      }
      return { kind: "credentials", username, password: text, authorizationId: "" };
    },
  };
}
