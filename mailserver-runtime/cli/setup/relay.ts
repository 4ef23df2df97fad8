/** `setup relay`: which host takes the mail of which domain, postfix-relaymap.cf and postfix-sasl-password.cf. */
import { mailDomain } from "../../config/address.ts";
import { appendLine, changeLines } from "../../config/dms/edit.ts";
import type { Parsed } from "../../config/dms/lines.ts";
import {
  parseRelayHost,
  parseRelayLogins,
  parseRelaymap,
  RELAYMAP_FILE,
  SASL_PASSWORD_FILE,
} from "../../config/dms/relays.ts";
import type { SetupSession } from "./session.ts";
import { type SetupCommand, usageError } from "./table.ts";

const addDomain: SetupCommand = {
  name: "relay add-domain",
  usage: "<DOMAIN> <HOST> [<PORT>]",
  summary: "sends a domain's mail through a host",
  async run(session, [domain = "", host = "", port = "25"]) {
    if (domain === "") throw usageError(this, "No domain specified");
    if (host === "") throw usageError(this, "No relay host specified");
    const relay = `[${host.replace(/^\[|\]$/g, "")}]:${port}`;
    try {
      parseRelayHost(relay);
    } catch {
      throw usageError(this, `'${host}' and '${port}' are not a host and a port`);
    }
    const sender = `@${mailDomain(domain)}`;
    await put(session, RELAYMAP_FILE, parseRelaymap, (one) => one.sender === sender, `${sender}\t\t${relay}`);
  },
};

const addAuth: SetupCommand = {
  name: "relay add-auth",
  usage: "<DOMAIN> <USERNAME> [<PASSWORD>]",
  summary: "logs a domain's mail in at its relay",
  async run(session, [domain = "", user = "", ...given]) {
    if (domain === "") throw usageError(this, "No domain specified");
    if (user === "") throw usageError(this, "No account specified");
    if (/[\s:]/.test(user)) throw usageError(this, "A username for a relay has no spaces or colons");
    const password = await session.password(given.join(" "));
    if (/[\r\n]/.test(password)) throw usageError(this, "A password has no line ends");
    const sender = `@${mailDomain(domain)}`;
    const line = `${sender}\t\t${user}:${password}`;
    await put(session, SASL_PASSWORD_FILE, parseRelayLogins, (one) => one.key === sender, line);
  },
};

const excludeDomain: SetupCommand = {
  name: "relay exclude-domain",
  usage: "<DOMAIN>",
  summary: "sends a domain's mail directly, whatever the default relay is",
  async run(session, [domain = ""]) {
    if (domain === "") throw usageError(this, "No domain specified");
    const sender = `@${mailDomain(domain)}`;
    await put(session, RELAYMAP_FILE, parseRelaymap, (one) => one.sender === sender, sender);
  },
};

export const relayCommands: readonly SetupCommand[] = [addDomain, addAuth, excludeDomain];

/** Replaces the line of the entry, or adds one. */
async function put<Entry extends { readonly line: number }>(
  session: SetupSession,
  file: string,
  parse: (text: string) => Parsed<Entry>,
  mine: (entry: Entry) => boolean,
  line: string,
): Promise<void> {
  await session.locked(async () => {
    const entry = (await session.read(file, parse)).find(mine);
    await session.edit(
      file,
      entry === undefined ? appendLine(line) : changeLines(new Map([[entry.line, line]])),
    );
  });
}
