/** Logging in to a relay (RFC 4954) by PLAIN (RFC 4616) or LOGIN. Only ever called on a TLS connection. */
import type { Extensions } from "./extensions.ts";
import { replyText } from "./reply.ts";
import { ClientError, type Wire } from "./wire.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** @throws {ClientError} refused, with the reply; the password is in no message. */
export async function authenticate(
  wire: Wire,
  extensions: Extensions,
  credentials: Credentials,
  timeoutMs: number,
): Promise<void> {
  const { username, password } = credentials;
  const steps = extensions.auth.has("PLAIN")
    ? [`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`]
    : extensions.auth.has("LOGIN")
      ? ["AUTH LOGIN", base64(username), base64(password)]
      : undefined;
  if (steps === undefined)
    throw new ClientError("refused", "the relay offers neither AUTH PLAIN nor AUTH LOGIN over TLS");
  for (const [index, step] of steps.entries()) {
    wire.write(`${step}\r\n`);
    const reply = await wire.reply(timeoutMs, "AUTH");
    if (reply.code === (index === steps.length - 1 ? 235 : 334)) continue;
    throw new ClientError("refused", `the login of ${username} was answered ${replyText(reply)}`, reply);
  }
}

const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");
