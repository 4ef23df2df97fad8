/**
 * What a Pulumi stack declares, as files: one JSON file for each object below `config/stack/`, written by
 * `admin/` and read at start and at each change. Every object names its owner, the URN of the resource that
 * declares it (D4). One table says for each kind where its files lie and what they hold.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { certificateIssuerSchema } from "../../settings/certificate-issuer.ts";
import { settingsSchema } from "../../settings/schema.ts";

const owner = z.string();

export const stackKinds = {
  domains: z.strictObject({ domain: z.string(), owner }),
  mailboxes: z.strictObject({
    address: z.string(),
    owner,
    /** false: removed. The file stays as a tombstone: logins are refused, mail gets 550 5.2.1. */
    enabled: z.boolean(),
    passwordHash: z.string().optional(),
    quotaBytes: z.int().min(0),
    displayName: z.string().optional(),
  }),
  aliases: z.strictObject({ address: z.string(), targets: z.array(z.string()).min(1), owner }),
  relays: z.strictObject({
    name: z.string(),
    owner,
    /** Absent: what matches is sent directly. */
    relay: z
      .strictObject({
        host: z.string(),
        port: z.int().min(1).max(65535),
        tls: z.enum(["implicit", "starttls", "opportunistic"]),
        lookupMx: z.boolean(),
        username: z.string().optional(),
        caFile: z.string().optional(),
        /** Plain, since the relay wants to see it; the file is its owner's alone. */
        password: z.string().optional(),
      })
      .optional(),
    match: z.strictObject({
      recipientDomains: z.array(z.string()),
      senders: z.array(z.string()),
      senderDomains: z.array(z.string()),
    }),
  }),
  dkim: z.strictObject({
    domain: z.string(),
    selector: z.string(),
    algorithm: z.enum(["rsa-2048", "rsa-4096", "ed25519"]),
    active: z.boolean(),
    owner,
  }),
  certificates: z.strictObject({
    names: z.array(z.string()).min(1),
    issuer: certificateIssuerSchema,
    owner,
  }),
  zones: z.strictObject({
    origin: z.string(),
    /** The serial in force, and the one the declared text had; the text itself is config/zones/<origin>.zone. */
    serial: z.int(),
    declaredSerial: z.int(),
    owner,
  }),
} as const;
/** The name of a folder below config/stack/. */
export type StackKind = keyof typeof stackKinds;
export type StackObject<K extends StackKind> = z.output<(typeof stackKinds)[K]>;

/** config/stack/settings.json, the only kind with a single file. */
export const stackSettings = z.strictObject({ owner, settings: settingsSchema });
export type StackSettings = z.output<typeof stackSettings>;

/** What an object is called among those of its kind. */
export const stackNames: { readonly [K in StackKind]: (object: StackObject<K>) => string } = {
  domains: (object) => object.domain,
  mailboxes: (object) => object.address,
  aliases: (object) => object.address,
  relays: (object) => object.name,
  dkim: (object) => dkimName(object.domain, object.selector),
  certificates: (object) => object.names[0]!,
  zones: (object) => object.origin,
};

/** The name of a key's TXT record (RFC 6376 §3.6.2.1) tells keys apart. */
export function dkimName(domain: string, selector: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** File systems take 255 bytes; beyond this a digest keeps long names apart. */
const LONGEST = 180;

/**
 * The file of an object: its name with everything percent-encoded that could mean something to a file
 * system or a shell, and `.json`.
 */
export function stackFileName(name: string): string {
  const safe = encodeURIComponent(name)
    .replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%40", "@")
    .replaceAll("%2B", "+")
    .replaceAll("%3D", "=")
    .replace(/^\./, "%2E");
  if (safe.length <= LONGEST) return `${safe}.json`;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return `${safe.slice(0, LONGEST - 40)}~${digest}.json`;
}
