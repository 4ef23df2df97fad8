/**
 * What a port serves: a real handshake with it, by STARTTLS where the protocol begins in plain text, for one name. The
 * chain is judged as a client does, by the system's authorities and those given.
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect, getCACertificates, type TLSSocket } from "node:tls";
import type { Protocol } from "../settings/schema.ts";
import { leafFingerprint } from "./leaf-fingerprint.ts";

export interface Served {
  readonly issuer: string;
  readonly names: string;
  /** ISO 8601. */
  readonly notAfter: string;
  /** `ec prime256v1`, `rsa 2048`. */
  readonly key: string;
  readonly fingerprint: string;
  readonly protocol: string;
  /** What a client that checks would say: undefined where it is content. */
  readonly problem: string | undefined;
}

const WHOLE_MS = 5000;
const LONGEST_TALK = 16_384;

/** What is waited for and said before the handshake; nothing where the protocol begins with it. */
const talks: Readonly<Partial<Record<Protocol, readonly (readonly [RegExp, string])[]>>> = {
  smtp: smtpTalk(),
  submission: smtpTalk(),
  submissions: [],
  imap: [
    [/^\* OK/m, "a STARTTLS\r\n"],
    [/^a OK/m, ""],
  ],
  imaps: [],
  pop3: [
    [/^\+OK/m, "STLS\r\n"],
    [/\n\+OK/, ""],
  ],
  pop3s: [],
  https: [],
};

/** Whether the protocol can be asked for TLS. */
export function speaksTls(protocol: Protocol): boolean {
  return talks[protocol] !== undefined;
}

/** A client that is asked for, by what it can verify. */
export const clients = {
  /** Everything that OpenSSL can. */
  modern: undefined,
  /** RSA alone, as clients that know nothing younger. */
  rsa: "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512",
} as const;

/** Rejects with what went wrong before there was a certificate. */
export async function served(
  protocol: Protocol,
  at: { readonly host: string; readonly port: number },
  servername: string,
  authorities: readonly string[],
  client: keyof typeof clients = "modern",
): Promise<Served> {
  const plain = connectPlain(at);
  const timer = setTimeout(() => plain.destroy(new Error(`no handshake within ${WHOLE_MS} ms`)), WHOLE_MS);
  try {
    await talk(plain, talks[protocol] ?? []);
    const secure = await handshake(plain, servername, authorities, clients[client]);
    const leaf = secure.getPeerX509Certificate();
    if (leaf === undefined) throw new Error("no certificate was shown");
    const { asymmetricKeyType = "?", asymmetricKeyDetails = {} } = leaf.publicKey;
    const { namedCurve, modulusLength } = asymmetricKeyDetails;
    return {
      issuer: leaf.issuer.replaceAll("\n", ", "),
      names: leaf.subjectAltName ?? leaf.subject,
      notAfter: new Date(leaf.validTo).toISOString(),
      key: `${asymmetricKeyType} ${namedCurve ?? modulusLength ?? ""}`.trim(),
      fingerprint: leafFingerprint(leaf),
      protocol: secure.getProtocol() ?? "?",
      problem: secure.authorized ? undefined : String(secure.authorizationError),
    };
  } finally {
    clearTimeout(timer);
    plain.destroy();
  }
}

function handshake(
  plain: Socket,
  servername: string,
  authorities: readonly string[],
  sigalgs: string | undefined,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket: plain,
      servername,
      rejectUnauthorized: false,
      ca: [...getCACertificates("default"), ...authorities],
      ...(sigalgs !== undefined && { sigalgs }),
    });
    secure.once("secureConnect", () => resolve(secure));
    secure.on("error", reject);
    plain.once("close", () => reject(new Error("the connection closed in the handshake")));
  });
}

async function talk(plain: Socket, steps: readonly (readonly [RegExp, string])[]): Promise<void> {
  let heard = "";
  for (const [awaited, said] of steps) {
    while (!awaited.test(heard)) heard += await next(plain, heard.length);
    heard = "\n";
    if (said !== "") plain.write(said);
  }
}

function next(plain: Socket, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    if (length > LONGEST_TALK) return reject(new Error("it does not come to TLS"));
    const ended = (error?: Error | boolean) => {
      plain.off("data", heard);
      reject(error instanceof Error ? error : new Error("the connection closed before TLS"));
    };
    const heard = (chunk: Buffer) => {
      plain.pause();
      plain.off("error", ended).off("close", ended);
      resolve(chunk.toString("latin1"));
    };
    plain.once("data", heard).once("error", ended).once("close", ended).resume();
  });
}

function smtpTalk(): readonly (readonly [RegExp, string])[] {
  return [
    [/^220 /m, "EHLO localhost\r\n"],
    [/^250 /m, "STARTTLS\r\n"],
    [/^220 /m, ""],
  ];
}
