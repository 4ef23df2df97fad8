/**
 * One domain whose records go to a name server of one's own by dynamic updates (RFC 2136): knot, BIND, PowerDNS and others.
 *
 * ```
 * tsig-keygen mailkeep                    # on the name server: a key, with the right to update the zone
 * pulumi config set --secret tsigSecret   # its secret
 * pulumi preview
 * ```
 */
import * as pulumi from "@pulumi/pulumi";
import { MailStack } from "mailkeep";

const config = new pulumi.Config();

const mail = new MailStack("mail", {
  domains: ["example.org"],
  mailboxes: ["anna@example.org"],
  host: { type: "local" },
  addresses: { ipv4: ["192.0.2.10"] },
  dns: {
    type: "rfc2136",
    server: config.get("nameServer") ?? "192.0.2.53",
    key: { name: "mailkeep", algorithm: "hmac-sha256" },
    dnssec: "signed",
  },
  tokens: { mailkeep: config.requireSecret("tsigSecret") },
});

export const { hostname, recordsLeftOut } = mail;
