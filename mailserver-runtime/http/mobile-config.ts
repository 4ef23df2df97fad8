/** A configuration profile for Apple's Mail: one mail account, without its password, which the device asks for. */
import { createHash } from "node:crypto";
import type { Offer, OfferedService } from "./web-facts.ts";
import { xmlText } from "./xml.ts";

export function mobileConfig(address: string, { hostname, services }: Offer): string {
  const incoming = services.find(({ service }) => service !== "smtp");
  const outgoing = services.find(({ service }) => service === "smtp");
  const id = `${hostname.split(".").reverse().join(".")}.${address.replace(/[^A-Za-z0-9.-]/g, "-")}`;
  const domain = address.slice(address.lastIndexOf("@") + 1);
  const way = (prefix: "Incoming" | "Outgoing", service: OfferedService | undefined) =>
    service === undefined
      ? []
      : [
          text(`${prefix}MailServerHostName`, hostname),
          number(`${prefix}MailServerPortNumber`, service.port),
          yes(`${prefix}MailServerUseSSL`),
          text(`${prefix}MailServerUsername`, address),
          text(`${prefix}MailServerAuthentication`, "EmailAuthPassword"),
        ];
  const account = [
    text("EmailAccountType", incoming?.service === "pop3" ? "EmailTypePOP" : "EmailTypeIMAP"),
    text("EmailAccountDescription", address),
    text("EmailAddress", address),
    ...way("Incoming", incoming),
    ...way("Outgoing", outgoing),
    yes("OutgoingPasswordSameAsIncomingPassword"),
    text("PayloadType", "com.apple.mail.managed"),
    text("PayloadIdentifier", `${id}.mail`),
    text("PayloadUUID", uuid(`${hostname} ${address} mail`)),
    text("PayloadDisplayName", `${domain} Mail`),
    number("PayloadVersion", 1),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
<key>PayloadContent</key>
<array>
<dict>
${account.join("\n")}
</dict>
</array>
${[
  text("PayloadType", "Configuration"),
  text("PayloadIdentifier", id),
  text("PayloadUUID", uuid(`${hostname} ${address}`)),
  text("PayloadDisplayName", `Mail for ${address}`),
  text("PayloadOrganization", domain),
  number("PayloadVersion", 1),
].join("\n")}
</dict>
</plist>
`;
}

const text = (key: string, value: string) => `<key>${key}</key>\n<string>${xmlText(value)}</string>`;
const number = (key: string, value: number) => `<key>${key}</key>\n<integer>${value}</integer>`;
const yes = (key: string) => `<key>${key}</key>\n<true/>`;

/** The same profile keeps its id, so that installing it again replaces it (RFC 9562 §5.8: version 8). */
function uuid(seed: string): string {
  const hex = createHash("sha256").update(seed).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ]
    .join("-")
    .toUpperCase();
}
