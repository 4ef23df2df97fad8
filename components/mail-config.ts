/**
 * The stack's configuration as arguments of a MailStack.
 *
 * Structure and secrets stand in separate keys: `mailkeep:mail` is plain and can be read in a review, `mailkeep:passwords`
 * and `mailkeep:passwordHashes` are secret maps by address, `mailkeep:relayPasswords` by the relay's name, `mailkeep:tokens` by
 * purpose. A secret inside the plain key is refused, with the command that puts it into its own.
 */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { engineSchema } from "../mailserver-runtime/settings/groups/engines.ts";
import { dnsConfig } from "./dns/dns-config.ts";
import type { DockerHostArgs } from "./host/docker/docker-args.ts";
import { dockerHostConfig } from "./host/docker/docker-config.ts";
import { type SshHostConfig, sshHostArgs, sshHostConfig, sshSecrets } from "./host/ssh/ssh-config.ts";
import type { LocalHostArgs, MailStackArgs } from "./mail-stack-args.ts";
import { misfits } from "./provider/validation.ts";

const size = z.union([z.number(), z.string()]);

const domain = z.strictObject({
  name: z.string(),
  aliasOf: z.string().optional(),
  dmarc: z
    .strictObject({
      policy: z.enum(["none", "quarantine", "reject"]),
      subdomainPolicy: z.enum(["none", "quarantine", "reject"]).optional(),
      rua: z.array(z.string()).optional(),
      ruf: z.array(z.string()).optional(),
      dkimAlignment: z.enum(["relaxed", "strict"]).optional(),
      spfAlignment: z.enum(["relaxed", "strict"]).optional(),
    })
    .optional(),
  spf: z
    .strictObject({
      all: z.enum(["-all", "~all", "?all"]).optional(),
      includes: z.array(z.strictObject({ domain: z.string(), lookups: z.int().optional() })).optional(),
      existing: z.string().optional(),
    })
    .optional(),
  dkim: z
    .strictObject({
      algorithms: z
        .array(z.enum(["rsa-2048", "rsa-4096", "ed25519"]))
        .min(1)
        .optional(),
      current: z.string().optional(),
      next: z.string().optional(),
    })
    .optional(),
  mtaSts: z
    .strictObject({ mode: z.enum(["none", "testing", "enforce"]), maxAge: z.int().optional() })
    .optional(),
  tlsRpt: z.strictObject({ rua: z.array(z.string()) }).optional(),
  dns: dnsConfig.optional(),
});

const dnsChallenge = z.strictObject({
  type: z.literal("dns-01"),
  publisher: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("rfc2136"),
      server: z.string(),
      port: z.int().optional(),
      zone: z.string(),
      key: z
        .strictObject({ name: z.string(), algorithm: z.enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"]) })
        .optional(),
    }),
    z.strictObject({ type: z.literal("cloudflare"), zoneId: z.string(), endpoint: z.string().optional() }),
  ]),
  settleSeconds: z.int().min(0).optional(),
});

const certificate = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("local-ca") }),
  z.strictObject({
    type: z.literal("acme"),
    directory: z.string().optional(),
    email: z.string().optional(),
    challenge: z
      .discriminatedUnion("type", [
        z.strictObject({ type: z.literal("http-01") }),
        z.strictObject({ type: z.literal("tls-alpn-01") }),
        dnsChallenge,
      ])
      .optional(),
    directoryAuthorities: z.string().optional(),
    keyTypes: z.array(z.enum(["ecdsa", "rsa"])).optional(),
  }),
]);

const mailbox = z.strictObject({
  address: z.string(),
  quota: size.optional(),
  displayName: z.string().optional(),
  passwordPolicy: z.enum(["initial", "enforced"]).optional(),
});

const relayMatch = z.strictObject({
  recipientDomains: z.array(z.string()).optional(),
  senders: z.array(z.string()).optional(),
  senderDomains: z.array(z.string()).optional(),
});

const relay = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("smarthost"),
    name: z.string(),
    host: z.string(),
    port: z.int().min(1).max(65_535).optional(),
    tls: z.enum(["implicit", "starttls", "opportunistic"]).optional(),
    lookupMx: z.boolean().optional(),
    username: z.string().optional(),
    caFile: z.string().optional(),
    spf: z.strictObject({ domain: z.string(), lookups: z.int().optional() }).optional(),
    for: relayMatch.optional(),
  }),
  z.strictObject({ type: z.literal("direct"), name: z.string(), for: relayMatch }),
]);

const backup = z.strictObject({
  domain: z.string(),
  recipients: z.array(z.string()).optional(),
  lifetimeSeconds: z.int().min(60).optional(),
});

const copy = z.strictObject({
  sender: z.string().optional(),
  recipient: z.string().optional(),
  to: z.string(),
});

const sendingLimits = z.strictObject({
  messagesPerHour: z.int().min(0).optional(),
  messagesPerDay: z.int().min(0).optional(),
  recipientsPerHour: z.int().min(0).optional(),
  recipientsPerDay: z.int().min(0).optional(),
  newRecipientsPerDay: z.int().min(0).optional(),
  messageSize: size.optional(),
});

const ceilings = {
  connections: z.int().min(1).max(100).optional(),
  messagesPerHour: z.int().min(0).optional(),
};

const mail = z.strictObject({
  hostname: z.string().optional(),
  domains: z.array(z.union([z.string(), domain])),
  mailboxes: z.array(z.union([z.string(), mailbox])).optional(),
  aliases: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  relays: z.array(relay).optional(),
  backups: z.array(z.union([z.string(), backup])).optional(),
  copies: z.array(copy).optional(),
  host: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("local"), directory: z.string().optional() }),
      dockerHostConfig,
      sshHostConfig,
    ])
    .default({ type: "local" }),
  addresses: z
    .strictObject({
      ipv4: z.array(z.string()).optional(),
      ipv6: z.array(z.string()).optional(),
      outgoing: z.array(z.string()).optional(),
      reverse: z.enum(["checked", "unchecked"]).optional(),
    })
    .optional(),
  certificate: certificate.optional(),
  web: z.strictObject({ clientSettings: z.boolean().optional() }).optional(),
  dns: dnsConfig.optional(),
  filtering: z
    .strictObject({
      greetingDelayMs: z.int().min(0).max(60_000).optional(),
      tagScore: z.number().optional(),
      junkScore: z.number().optional(),
      rejectScore: z.number().optional(),
      engines: z.array(engineSchema).optional(),
    })
    .optional(),
  banning: z
    .strictObject({
      enabled: z.boolean().optional(),
      maxRetry: z.int().min(1).optional(),
      findSeconds: z.int().min(1).optional(),
      banSeconds: z.int().min(1).optional(),
      networkAfter: z.int().min(0).optional(),
      nftables: z.enum(["auto", "never"]).optional(),
      sharedDirectory: z.string().optional(),
      neverBanned: z.array(z.string()).optional(),
    })
    .optional(),
  sending: z
    .strictObject({
      limits: sendingLimits.optional(),
      accountLimits: z.record(z.string(), sendingLimits).optional(),
      futureReleaseSeconds: z.int().min(0).optional(),
    })
    .optional(),
  delivery: z
    .strictObject({
      ...ceilings,
      destinations: z.record(z.string(), z.strictObject(ceilings)).optional(),
      addresses: z.array(z.string()).optional(),
      ipv6: z.enum(["auto", "always", "never"]).optional(),
      warmUp: z
        .strictObject({
          messagesPerDay: z.int().min(1),
          growth: z.number().optional(),
          days: z.int().min(1).optional(),
          relay: z.string().optional(),
        })
        .optional(),
      retrySeconds: z.array(z.int().min(1)).optional(),
      lifetimeSeconds: z.int().min(60).optional(),
      warnAfterSeconds: z.int().min(0).optional(),
      tls: z
        .strictObject({
          dane: z.boolean().optional(),
          mtaSts: z.boolean().optional(),
          authorities: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
  server: z
    .strictObject({
      portBase: z.int().optional(),
      ports: z
        .strictObject({
          smtp: z.int().optional(),
          submission: z.int().optional(),
          submissions: z.int().optional(),
          imap: z.int().optional(),
          imaps: z.int().optional(),
          http: z.int().optional(),
          https: z.int().optional(),
          dns: z.int().optional(),
        })
        .optional(),
      resolvers: z.array(z.string()).optional(),
      logLevel: z.enum(["error", "warn", "info", "debug", "trace"]).optional(),
      tlsLevel: z.enum(["modern", "intermediate"]).optional(),
      postmasterAddress: z.string().optional(),
      messageSizeLimit: size.optional(),
      recipientLimit: z.int().min(1).optional(),
      defaultQuota: size.optional(),
      recipientDelimiter: z.string().max(8).optional(),
      forwarding: z
        .strictObject({
          rewriteSenders: z.boolean().optional(),
          domain: z.string().optional(),
          excludeDomains: z.array(z.string()).optional(),
        })
        .optional(),
      spoofProtection: z.boolean().optional(),
      hostedDomains: z.enum(["direct", "mx"]).optional(),
      requireSignature: z.boolean().optional(),
      retrySeconds: z.array(z.int().min(1)).optional(),
      queueLifetimeSeconds: z.int().min(60).optional(),
    })
    .optional(),
}) satisfies z.ZodType<
  Omit<MailStackArgs, "passwords" | "passwordHashes" | "relayPasswords" | "tokens" | "host"> & {
    host: DeclaredHost;
  }
>;

/** A host as `mailkeep:mail` has it: what logs in there is in `mailkeep:ssh`. */
type DeclaredHost = LocalHostArgs | DockerHostArgs | SshHostConfig;

const secretMap = z.record(z.string(), z.string());

/** Where a secret belongs that stands in `mailkeep:mail`. */
const secretNames: Readonly<Record<string, string>> = {
  password: "passwords",
  passwords: "passwords",
  passwordHash: "passwordHashes",
  passwordHashes: "passwordHashes",
  relayPasswords: "relayPasswords",
  token: "tokens",
  apiToken: "tokens",
  tokens: "tokens",
  secret: "tokens",
  privateKey: "ssh",
  passphrase: "ssh",
  sudoPassword: "ssh",
};

/**
 * Reads `mailkeep:mail` and the secret keys beside it.
 *
 * @throws {pulumi.RunError} naming the place, what is wrong there and the way out; never a value
 */
export function readMailConfig(): MailStackArgs {
  const config = new pulumi.Config("mailkeep");
  const given = readObject(config, "mail");
  if (given === undefined)
    throw new pulumi.RunError(
      "mailkeep:mail is missing: it declares the domains and mailboxes of the stack. The guide shows one of ten lines.",
    );
  refuseSecrets(given, "mailkeep:mail");
  const { host, ...structure } = parsed(mail, given, "mailkeep:mail");
  return {
    ...structure,
    host: host.type === "ssh" ? sshHostArgs(host, sshSecretsOf(config)) : host,
    ...secretsOf(config, "passwords"),
    ...secretsOf(config, "passwordHashes"),
    ...secretsOf(config, "relayPasswords"),
    ...secretsOf(config, "tokens"),
  };
}

const sshSecretsOf = (config: pulumi.Config) =>
  parsed(sshSecrets, readObject(config, "ssh") ?? {}, "mailkeep:ssh");

type SecretKey = "passwords" | "passwordHashes" | "relayPasswords" | "tokens";

function secretsOf(config: pulumi.Config, key: SecretKey) {
  const given = readObject(config, key);
  if (given === undefined) return {};
  const values = parsed(secretMap, given, `mailkeep:${key}`);
  for (const [address, value] of Object.entries(values)) {
    if (value === "")
      throw new pulumi.RunError(
        `mailkeep:${key}[${JSON.stringify(address)}] is empty; set it: ${setCommand(key, address)}`,
      );
  }
  return {
    [key]: Object.fromEntries(
      Object.entries(values).map(([address, value]) => [address, pulumi.secret(value)]),
    ),
  };
}

function readObject(config: pulumi.Config, key: string): unknown {
  try {
    return config.getObject(key);
  } catch {
    // The SDK's message would repeat the value.
    throw new pulumi.RunError(`mailkeep:${key} is not a map.`);
  }
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, key: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = misfits(result.error, schema).map(({ path, reason }) => {
    return `${key}${path === "" ? "" : path.startsWith("[") ? path : `.${path}`} ${reason}`;
  });
  throw new pulumi.RunError([...new Set(lines)].join("\n"));
}

/** What a secret is called in the command that sets it, where it is no address. */
const examples: Readonly<Record<string, (called: unknown) => unknown>> = {
  relayPasswords: (called) => called ?? "provider",
  tokens: (called) => called ?? "acme",
};

function refuseSecrets(value: unknown, where: string): void {
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      refuseSecrets(item, `${where}[${index}]`);
    });
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, child] of Object.entries(value)) {
    const ofRelay = name === "password" && where.startsWith("mailkeep:mail.relays");
    const ofHost = name === "password" && where.startsWith("mailkeep:mail.host");
    const key = ofRelay ? "relayPasswords" : ofHost ? "ssh" : secretNames[name];
    if (key !== undefined) {
      const { address, name: called } = value as { address?: unknown; name?: unknown };
      const example = examples[key]?.(called) ?? address ?? "anna@example.org";
      throw new pulumi.RunError(
        `${where}.${name} is a secret, and mailkeep:mail is plain text. Take it out there and set it in its own key: ` +
          (key === "ssh"
            ? `pulumi config set --secret --path 'mailkeep:ssh.${name}'`
            : setCommand(key, typeof example === "string" ? example : "anna@example.org")),
      );
    }
    refuseSecrets(child, `${where}.${name}`);
  }
}

const setCommand = (key: string, address: string) =>
  `pulumi config set --secret --path 'mailkeep:${key}["${address}"]'`;
