/**
 * rspamd's `override.d/dkim_signing.conf`, as docker-mailserver writes it and its documentation extends it: for each domain a
 * `path` and a `selector`, or a list of them in `selectors`.
 *
 *     domain {
 *         example.org { path = "/tmp/docker-mailserver/rspamd/dkim/mail.private.txt"; selector = "mail"; }
 *     }
 *
 * It is UCL; what is read here is its nginx-like form with braces, lists in brackets and `#` comments. Other options of the file
 * are rspamd's own business.
 */
import { InvalidAddress, mailDomain } from "../address.ts";

export const RSPAMD_SIGNING_FILE = "rspamd/override.d/dkim_signing.conf";

export interface RspamdSigning {
  readonly domain: string;
  readonly selector: string;
  /** Relative to the config directory. */
  readonly keyFile: string;
}

type Value = string | Block | readonly Value[];
interface Block {
  readonly [name: string]: Value;
}

/** The keys it names. @throws Error that says where it cannot be understood */
export function parseRspamdSigning(text: string): RspamdSigning[] {
  const { domain } = block(tokensOf(text), undefined);
  if (domain === undefined) return [];
  if (!isBlock(domain)) throw new Error("domain is no section in braces");
  return Object.entries(domain).flatMap(([name, section]) => {
    if (!isBlock(section)) throw new Error(`domain ${name} is no section in braces`);
    const { selectors = [section] } = section;
    const list = Array.isArray(selectors) ? selectors : [selectors];
    return list.map((one: Value) => signing(name, one));
  });
}

function signing(name: string, one: Value): RspamdSigning {
  const { path, selector } = isBlock(one) ? one : {};
  if (typeof path !== "string" || typeof selector !== "string")
    throw new Error(`domain ${name} has no path and selector`);
  const below = /(?:^|\/)(rspamd\/dkim\/.+)$/.exec(path)?.[1];
  if (below === undefined || below.split("/").includes("..") || below.includes("$"))
    throw new Error(`the key of ${name} must lie below rspamd/dkim/, not at "${path}"`);
  try {
    return { domain: mailDomain(name), selector: selector.toLowerCase(), keyFile: below };
  } catch (error) {
    throw error instanceof InvalidAddress ? new Error(`domain ${name}: ${error.message}`) : error;
  }
}

const isBlock = (value: Value | undefined): value is Block =>
  typeof value === "object" && !Array.isArray(value);

/** Quoted and bare words, and the signs between them; comments are left out. */
function tokensOf(text: string): string[] {
  const tokens = text.matchAll(/"(?:[^"\\\n]|\\.)*"|[{}[\];,=]|#[^\n]*|[^\s{}[\];,="#]+/g);
  return [...tokens].map(([token]) => token).filter((token) => !token.startsWith("#"));
}

const word = (token: string) => (token.startsWith('"') ? token.slice(1, -1).replace(/\\(.)/g, "$1") : token);

/** Members up to `end`; takes them off the front of `tokens`. */
function block(tokens: string[], end: "}" | undefined): Block {
  const members: Record<string, Value> = Object.create(null);
  for (;;) {
    const token = tokens.shift();
    if (token === end) return members;
    if (token === undefined) throw new Error("a brace is not closed");
    if (token === ";" || token === ",") continue;
    if (/^[{}[\]=]$/.test(token)) throw new Error(`"${token}" stands where a name should`);
    if (tokens[0] === "=") tokens.shift();
    members[word(token).replace(/:$/, "")] = value(tokens);
  }
}

function value(tokens: string[]): Value {
  const token = tokens.shift();
  if (token === "{") return block(tokens, "}");
  if (token === "[") return list(tokens);
  if (token === undefined || /^[}\];,=]$/.test(token)) throw new Error("a value is missing");
  return word(token);
}

function list(tokens: string[]): readonly Value[] {
  const items: Value[] = [];
  for (;;) {
    if (tokens[0] === undefined) throw new Error("a bracket is not closed");
    if (tokens[0] === "]") {
      tokens.shift();
      return items;
    }
    if (tokens[0] === ",") tokens.shift();
    else items.push(value(tokens));
  }
}
