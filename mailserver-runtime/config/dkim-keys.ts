/** Who signs for which domain: keys that the stack declares, OpenDKIM's tables and rspamd's files, in that order. */
import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CompileInput } from "./compile.ts";
import { KEY_TABLE_FILE, SIGNING_TABLE_FILE } from "./dms/opendkim.ts";
import { rspamdKey } from "./dms/rspamd-dkim.ts";
import { RSPAMD_SIGNING_FILE } from "./dms/rspamd-signing.ts";
import type { ConfigurationProblem, DkimKey, Origin } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";
import { dkimName } from "./stack/objects.ts";

/** Where a declared key's private half lies, PEM PKCS#8. */
export function dkimKeyFile(state: string, domain: string, selector: string): string {
  return join(state, "dkim", domain, `${selector}.pem`);
}

/** Keys by domain, those that sign before those that are only published. */
export function collectDkimKeys(
  { values, directories }: Pick<CompileInput, "values" | "directories">,
  hosted: (domain: string) => boolean,
  problems: ConfigurationProblem[],
): ReadonlyMap<string, readonly DkimKey[]> {
  const keys = new Map<string, DkimKey[]>();
  /** `authors` is the domain of those whose mail it signs; d= may be one above (RFC 7489 §3.1.1 aligns them). */
  const add = (key: Omit<DkimKey, "privateKey">, file: string, authors = key.domain) => {
    const present = keys.get(authors) ?? [];
    // One selector is one record: who came first has it.
    if (present.some(({ selector, domain }) => selector === key.selector && domain === key.domain)) return;
    present.push({ ...key, privateKey: keyReader(file) });
    keys.set(authors, present);
  };
  for (const { domain, selector, algorithm, active, owner } of values.stackDkim.values()) {
    const origin: Origin = {
      file: stackPath("dkim", dkimName(domain, selector)),
      line: 1,
      owner: "stack",
      urn: owner,
    };
    add(
      {
        domain,
        selector,
        algorithm: algorithm === "ed25519" ? "ed25519-sha256" : "rsa-sha256",
        active,
        origin,
      },
      dkimKeyFile(directories.state, domain, selector),
    );
  }
  const table = new Map(values.keyTable.map((entry) => [entry.name, entry]));
  for (const { key: name, line, domain: authors } of values.signingTable) {
    const entry = table.get(name);
    if (entry === undefined) {
      problems.push({ file: SIGNING_TABLE_FILE, line, reason: `${KEY_TABLE_FILE} has no key "${name}"` });
      continue;
    }
    const { domain, selector } = entry;
    const origin: Origin = { file: KEY_TABLE_FILE, line: entry.line, owner: "setup" };
    add(
      { domain, selector, algorithm: "rsa-sha256", active: true, origin },
      join(directories.config, entry.keyFile),
      authors,
    );
  }
  for (const { domain, selector, keyFile } of values.rspamdSigning) {
    const origin: Origin = { file: RSPAMD_SIGNING_FILE, line: 1, owner: "setup" };
    const key = { domain, selector, algorithm: "rsa-sha256", active: true, origin } as const;
    add(key, join(directories.config, keyFile));
  }
  const listed = new Set(values.rspamdSigning.map(({ domain }) => domain));
  for (const file of values.rspamdKeys.values()) {
    const found = rspamdKey(basename(file), hosted);
    // Where rspamd is told which keys sign for a domain, others lie there for later, or from before.
    if (found === undefined || listed.has(found.domain)) continue;
    add(
      { ...found, active: true, origin: { file, line: 1, owner: "setup" } },
      join(directories.config, file),
    );
  }
  for (const list of keys.values()) list.sort((a, b) => Number(b.active) - Number(a.active));
  return keys;
}

/** Reads the key once and keeps it for the snapshot's life; a failure is tried again at the next use. */
function keyReader(file: string): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    text ??= readFile(file, "utf8").then((pem) =>
      createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString(),
    );
    text.catch(() => {
      text = undefined;
    });
    return text;
  };
}
