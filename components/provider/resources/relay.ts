/** A host that takes outgoing mail, or a rule that some mail goes directly. The password is secret and in no output. */
import { z } from "zod";
import { address, domain, hostName } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

const inputs = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "letters, digits, dots, _ and -, 63 at most")
    .meta({ description: "What it is called." }),
  host: z
    .union([z.ipv4(), z.ipv6(), hostName])
    .optional()
    .meta({ description: "Host name or address. Absent: what matches is sent directly." }),
  port: z.int().min(1).max(65_535).default(587).meta({ description: "Its port." }),
  tls: z.enum(["implicit", "starttls", "opportunistic"]).default("starttls").meta({
    description:
      "`starttls`: required, certificate checked. `implicit`: TLS from the first byte. `opportunistic`: as to any MX.",
  }),
  lookupMx: z.boolean().default(false).meta({ description: "Ask for the host's MX records first." }),
  username: z.string().min(1).optional().meta({ description: "The login, sent over TLS only." }),
  password: z.string().min(1).optional().meta({ description: "Its password." }),
  caFile: z.string().startsWith("/", "is no absolute path").optional().meta({
    description:
      "A file on the mail host with the authorities (PEM) that its certificate is checked against; the usual ones when absent.",
  }),
  recipientDomains: z
    .array(domain)
    .default([])
    .meta({ description: "Recipient domains whose mail it takes." }),
  senders: z.array(address).default([]).meta({ description: "Senders whose mail it takes." }),
  senderDomains: z
    .array(domain)
    .default([])
    .meta({ description: "Domains whose senders' mail it takes; without any list it takes all mail." }),
});

export const relay = resourceType({
  token: "mailkeep:index:Relay",
  description: "A host that takes outgoing mail (smarthost), or a rule that some mail goes directly.",
  inputs,
  facts: z.object({}),
  identity: ["name"],
  secrets: ["password"],
  check({ host, tls, username, password }) {
    const wrong: { property: string; reason: string }[] = [];
    if (host === undefined && username !== undefined)
      wrong.push({ property: "username", reason: "belongs to a host, and none is declared" });
    if ((username === undefined) !== (password === undefined))
      wrong.push({
        property: username === undefined ? "username" : "password",
        reason: "is missing: a login has both",
      });
    if (username !== undefined && tls === "opportunistic")
      wrong.push({ property: "tls", reason: "is opportunistic, but a login is sent over checked TLS only" });
    return wrong;
  },
  id: (declared) => declared.name,
  async put({ host: at, owner, limit }, declared) {
    const { name, host, port, tls, lookupMx, username, password, caFile, ...match } = declared;
    const login = username !== undefined && password !== undefined ? { username, password } : {};
    const relay =
      host === undefined ? undefined : { host, port, tls, lookupMx, ...login, ...(caFile && { caFile }) };
    await at.perform("relay.put", { name, owner, match, ...(relay && { relay }) }, limit);
    return {};
  },
  async read({ host: at, limit }, id, declared) {
    const password = declared?.password;
    const answer = await at.perform("relay.read", { name: id, ...(password && { password }) }, limit);
    if (!answer.exists) return undefined;
    const { relay: found, match } = answer;
    return {
      inputs: {
        name: id,
        port: declared?.port ?? 587,
        tls: declared?.tls ?? "starttls",
        lookupMx: declared?.lookupMx ?? false,
        ...found,
        // A password that is not the host's any more goes out of the state: the next diff sets it again.
        ...(answer.passwordMatches === true && { password }),
        recipientDomains: match?.recipientDomains ?? [],
        senders: match?.senders ?? [],
        senderDomains: match?.senderDomains ?? [],
      },
      facts: {},
      owner: answer.owner,
    };
  },
  async remove({ host, owner, limit }, { name }) {
    await host.perform("relay.remove", { name, owner }, limit);
  },
});
