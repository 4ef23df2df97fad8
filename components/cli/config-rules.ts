/**
 * What must hold of a stack's configuration before anything reads it: structure and secrets are separate keys, so
 * that the structure can be reviewed in the open. Everything here is pure.
 */
import type { Project } from "../engine/config/project.ts";
import { containsSecure } from "../engine/config/stack-config.ts";
import { EngineError } from "../engine/errors.ts";
import { formatPath, type PathPart } from "../engine/property-path.ts";
import { nearestName } from "../provider/nearest.ts";

/** The key of the structure; everything else of ours is secret. */
const STRUCTURE = "mailkeep:mail";

/** Where a secret found in the structure belongs, by the last name of its place. */
const SECRET_HOMES: readonly { names: RegExp; key: string }[] = [
  { names: /^(password|passwords)$/i, key: "mailkeep:passwords" },
  { names: /^(passwordHash|passwordHashes)$/i, key: "mailkeep:passwordHashes" },
  { names: /^(privateKey|key|identity|sshKey|passphrase)$/i, key: "mailkeep:ssh" },
  { names: /^(token|tokens|apiToken|secret|tsig)$/i, key: "mailkeep:tokens" },
];

/** Names whose value is a secret even where it is written in plain. */
const ALWAYS_SECRET = /^(password|passwords|passwordHash|passwordHashes|privateKey|apiToken|token)$/i;

/** Throws `config` for a secret in the structure and for keys nobody knows. `raw` are the values as they are written. */
export function checkConfigRules(project: Project, stack: string, raw: Record<string, unknown>): void {
  const known = Object.keys(project.schema);
  for (const key of Object.keys(raw)) {
    if (known.length === 0 || !key.startsWith(`${project.name}:`) || known.includes(key)) continue;
    const near = nearestName(key, known);
    throw new EngineError(
      "config",
      `stack '${stack}': unknown setting '${key}'${near ? `; did you mean '${near}'?` : `; known are ${known.join(", ")}`}`,
    );
  }
  const misplaced = findSecret(raw[STRUCTURE], []);
  if (!misplaced) return;
  const name = String(misplaced.findLast((part) => typeof part === "string") ?? "");
  const home = SECRET_HOMES.find(({ names }) => names.test(name))?.key ?? "mailkeep:passwords";
  throw new EngineError(
    "config",
    `stack '${stack}': ${STRUCTURE} holds a secret at '${formatPath(misplaced)}'. Structure is kept in the open: move it to ` +
      `${home} with 'mailkeep config set --secret --path ${home}' and remove it from ${STRUCTURE}.`,
  );
}

function findSecret(value: unknown, path: PathPart[]): PathPart[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (containsSecure(value) && typeof (value as { secure?: unknown }).secure === "string") return path;
  for (const [key, item] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(key) : key];
    if (ALWAYS_SECRET.test(key) && item !== null && item !== undefined) return here;
    const found = findSecret(item, here);
    if (found) return found;
  }
  return undefined;
}
