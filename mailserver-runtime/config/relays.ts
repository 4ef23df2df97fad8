/** Relays as the configuration declares them: the stack's objects, and the lines of postfix-relaymap.cf that they leave. */
import type { CompileInput } from "./compile.ts";
import { parseRelayHost, RELAYMAP_FILE } from "./dms/relays.ts";
import type { ConfigurationProblem, SenderRelay, StackRelay } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";

/** In the order of their names, so that two rules that speak of the same mail always meet in one way. */
export function collectStackRelays({ values }: Pick<CompileInput, "values">): readonly StackRelay[] {
  return [...values.stackRelays.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, match, relay, owner }) => {
      const origin = { file: stackPath("relays", name), line: 1, owner: "stack", urn: owner } as const;
      if (relay === undefined) return { name, match, relay: undefined, origin };
      const { host, port, tls, lookupMx, username, password } = relay;
      const credentials =
        username === undefined || password === undefined ? undefined : { username, password };
      return {
        name,
        match,
        origin,
        relay: { host, port, tls, lookupMx, ...(credentials && { credentials }) },
      };
    });
}

/** Lines of postfix-relaymap.cf by sender; one that the stack speaks of, too, is a problem and does not count. */
export function collectSenderRelays(
  { values }: Pick<CompileInput, "values">,
  problems: ConfigurationProblem[],
): ReadonlyMap<string, SenderRelay> {
  const declared = new Map<string, string>();
  for (const { match, owner } of values.stackRelays.values()) {
    for (const sender of match.senders) declared.set(sender, owner);
    for (const domain of match.senderDomains) declared.set(`@${domain}`, owner);
  }
  const relays = new Map<string, SenderRelay>();
  for (const { sender, relay, line } of values.relaymap) {
    const owner = declared.get(sender);
    if (owner !== undefined) {
      const reason = `the relay of ${sender} is declared by the stack (${owner}), which wins; delete this line, or remove the resource from the stack`;
      problems.push({ file: RELAYMAP_FILE, line, reason });
      continue;
    }
    relays.set(sender, { sender, relay, origin: { file: RELAYMAP_FILE, line, owner: "setup" } });
  }
  return relays;
}

/** What is wrong with RELAY_HOST and its kin. */
export function relayVariableProblems({ settings }: Pick<CompileInput, "settings">): ConfigurationProblem[] {
  const { host, user, password, defaultHost } = settings.relay;
  const problems: ConfigurationProblem[] = [];
  const add = (variable: string, reason: string) =>
    problems.push({ file: "environment", line: 0, reason: `${variable}: ${reason}` });
  for (const [variable, text] of [
    ["RELAY_HOST", host],
    ["DEFAULT_RELAY_HOST", defaultHost],
  ] as const)
    try {
      if (text !== undefined) parseRelayHost(text);
    } catch (error) {
      add(variable, `${(error as Error).message}; until then mail goes to its MX`);
    }
  if (host === undefined && user !== undefined)
    add(
      "RELAY_USER",
      "there is no RELAY_HOST to log in at; name the relay in postfix-sasl-password.cf instead",
    );
  if (host !== undefined && (user === undefined) !== (password === undefined))
    add(
      "RELAY_USER",
      "RELAY_USER and RELAY_PASSWORD belong together; nobody is logged in until both are set",
    );
  return problems;
}
