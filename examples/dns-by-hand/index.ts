/**
 * Two domains: what the one needs is entered by hand, and the other one's records are written to a file.
 *
 * ```
 * pulumi up
 * pulumi stack output toEnter     # what to enter; then `mailkeep dns check` says what is missing
 * ```
 */
import * as pulumi from "@pulumi/pulumi";
import { MailStack } from "mailkeep";

const config = new pulumi.Config();

const mail = new MailStack("mail", {
  domains: [
    "example.org",
    {
      name: "example.net",
      dns: { type: "zone-file", directory: config.get("zoneDirectory") ?? "zones", form: "include" },
    },
  ],
  mailboxes: ["anna@example.org", "ben@example.net"],
  host: { type: "local" },
  addresses: { ipv4: ["192.0.2.10"] },
  dns: { type: "manual" },
});

export const { hostname, recordsLeftOut } = mail;
export const toEnter = mail.dns.toEnter;
