/** Relays as the configuration declares them: the stack's objects, and the lines of files that they leave. */
import type { CompileInput } from "./compile.ts";
import { parseRelayHost, RELAYMAP_FILE } from "./dms/relays.ts";
import type { ConfigurationProblem, RelayLogin, SenderRelay, Snapshot, StackRelay } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";
import { stackWins } from "./stack-wins.ts";

/** Everything that a snapshot says about relays. */
export function collectRelays(
  input: Pick<CompileInput, "values" | "settings" | "postfix">,
  problems: ConfigurationProblem[],
): Pick<Snapshot, "stackRelays" | "senderRelays" | "recipientRelays" | "relayLogins"> {
  problems.push(...variableProblems(input));
  const { values, postfix } = input;
  const logins = new Map<string, RelayLogin>();
  for (const { key, user, password } of [...values.relayLogins, ...postfix.logins])
    if (!logins.has(key)) logins.set(key, { user, password });
  return {
    stackRelays: stackRelays(input),
    senderRelays: senderRelays(input, problems),
    recipientRelays: postfix.transports,
    relayLogins: logins,
  };
}

/** In the order of their names, so that two rules that speak of the same mail always meet in one way. */
function stackRelays({ values }: Pick<CompileInput, "values">): readonly StackRelay[] {
  return [...values.stackRelays.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, match, relay, owner }) => {
      const origin = { file: stackPath("relays", name), line: 1, owner: "stack", urn: owner } as const;
      if (relay === undefined) return { name, match, relay: undefined, origin };
      const { host, port, tls, lookupMx, username, password, caFile } = relay;
      const credentials =
        username === undefined || password === undefined ? undefined : { username, password };
      return {
        name,
        match,
        origin,
        relay: {
          host,
          port,
          tls,
          lookupMx,
          ...(credentials && { credentials }),
          ...(caFile !== undefined && { caFile }),
        },
      };
    });
}

/** Lines by sender; one that the stack speaks of, too, is a problem and does not count. */
function senderRelays(
  { values, postfix }: Pick<CompileInput, "values" | "postfix">,
  problems: ConfigurationProblem[],
): ReadonlyMap<string, SenderRelay> {
  const declared = new Map<string, StackRelay["origin"]>();
  for (const { match, origin } of stackRelays({ values })) {
    for (const sender of match.senders) declared.set(sender, origin);
    for (const domain of match.senderDomains) declared.set(`@${domain}`, origin);
  }
  const relays = new Map<string, SenderRelay>();
  const lines = [...values.relaymap.map((line) => ({ ...line, file: RELAYMAP_FILE })), ...postfix.relays];
  for (const { sender, relay, line, file } of lines) {
    const origin = declared.get(sender);
    if (origin !== undefined) problems.push(stackWins(file, line, `the relay of ${sender}`, origin));
    else if (!relays.has(sender))
      relays.set(sender, { sender, relay, origin: { file, line, owner: "setup" } });
  }
  return relays;
}

/** What is wrong with RELAY_HOST and its kin. */
function variableProblems({ settings }: Pick<CompileInput, "settings">): ConfigurationProblem[] {
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
