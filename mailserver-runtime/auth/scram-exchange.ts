/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as the server's side of a conversation (RFC 5802 §5, RFC 7677).
 *
 * Who is not known gets a salt all the same, always the same one for a name, so that salts do not tell who has
 * an account. With -PLUS the client proves that its TLS connection is ours (RFC 9266, RFC 5929); one that
 * says it could have, but believes we could not, while we offered it, has been lied to, and is refused.
 */
import { randomBytes } from "node:crypto";
import type { ChannelBindingType } from "../net/connection.ts";
import { decodeUtf8, type SaslContext, type SaslExchange, type SaslStep } from "./sasl.ts";

/** Salt and iterations of a login name's keys, real or made up. */
export type ScramParameters = (username: string) => { readonly salt: Buffer; readonly iterations: number };

/** Kinds of channel binding that are understood. */
const BINDINGS: readonly ChannelBindingType[] = ["tls-exporter", "tls-server-end-point"];

const malformed: SaslStep = { kind: "malformed" };
const MAX_NAME = 1024;
const MAX_NONCE = 1024;

/** GS2 header, then name and nonce (RFC 5802 §7); an extension that must be understood is not. */
const FIRST = /^((n|y|p=([A-Za-z0-9.-]+)),(?:a=([^,]*))?,)(n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s;
const FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]*)*),p=([A-Za-z0-9+/=]+)$/s;

export function scram(parameters: ScramParameters, plus: boolean, context: SaslContext): SaslExchange {
  let first: { readonly header: string; readonly bare: string; readonly binding: Buffer } | undefined;
  let username = "";
  let authorizationId = "";
  let nonce = "";
  let serverFirst = "";

  function begin(text: string): SaslStep {
    const parts = FIRST.exec(text);
    if (!parts) return malformed;
    const [, header, flag, binding, authzid, bare, name, clientNonce] = parts;
    const decoded = saslName(name!);
    const other = saslName(authzid ?? "");
    if (!decoded || other === undefined || decoded.length > MAX_NAME || clientNonce!.length > MAX_NONCE)
      return malformed;
    const bound = bindingOf(plus, flag!, binding, context);
    if (!bound) return malformed;
    username = decoded;
    authorizationId = other;
    first = { header: header!, bare: bare!, binding: bound };
    nonce = clientNonce! + randomBytes(18).toString("base64").replaceAll("=", "");
    const { salt, iterations } = parameters(username);
    serverFirst = `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
    return { kind: "challenge", bytes: Buffer.from(serverFirst) };
  }

  function finish(text: string, { header, bare, binding }: NonNullable<typeof first>): SaslStep {
    const parts = FINAL.exec(text);
    if (!parts) return malformed;
    const [, withoutProof, bound, finalNonce, proof] = parts;
    const expected = Buffer.concat([Buffer.from(header), binding]);
    if (finalNonce !== nonce || !Buffer.from(bound!, "base64").equals(expected)) return malformed;
    return {
      kind: "credentials",
      username,
      authorizationId,
      scram: {
        authMessage: `${bare},${serverFirst},${withoutProof}`,
        proof: Buffer.from(proof!, "base64"),
      },
    };
  }

  return {
    next(response) {
      if (response === undefined) return first ? malformed : { kind: "challenge", bytes: Buffer.alloc(0) };
      const text = decodeUtf8(response);
      if (text === undefined) return malformed;
      return first ? finish(text, first) : begin(text);
    },
    conclude: (result) =>
      result.ok && result.serverSignature
        ? Buffer.from(`v=${result.serverSignature.toString("base64")}`)
        : undefined,
  };
}

/** The channel's bytes that the client must repeat; undefined where what it says does not fit the mechanism. */
function bindingOf(
  plus: boolean,
  flag: string,
  name: string | undefined,
  context: SaslContext,
): Buffer | undefined {
  if (plus) {
    const type = BINDINGS.find((known) => known === name);
    return type && context.channelBinding(type);
  }
  if (flag.startsWith("p")) return undefined;
  // RFC 5802 §6: "y" says the client saw no -PLUS; if we offered one, somebody took it away.
  if (flag === "y" && offersBinding(context)) return undefined;
  return Buffer.alloc(0);
}

/** Whether this connection can be bound to. */
export function offersBinding(context: SaslContext): boolean {
  return BINDINGS.some((type) => context.channelBinding(type) !== undefined);
}

/** RFC 5802 §5.1: "," and "=" are written =2C and =3D; anything else behind "=" is an error. */
function saslName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text)) return undefined;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
