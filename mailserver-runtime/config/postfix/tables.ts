/**
 * Look-up tables as a Postfix parameter names them: `texthash:/path`, `static:value`, `inline:{...}`. Only their text
 * sources are read, and only below the config directory, which a docker-mailserver container sees as
 * /tmp/docker-mailserver.
 */
import { type EntryLine, entryLines } from "../dms/lines.ts";

/** Where docker-mailserver mounts the config directory. */
const CONFIG_MOUNT = "/tmp/docker-mailserver/";
/** Types whose source is a text file of `key value` lines. */
const TEXT_TYPES: ReadonlySet<string> = new Set(["texthash", "hash", "lmdb", "btree", "cdb", "dbm"]);
const PATTERN_TYPES: ReadonlySet<string> = new Set(["pcre", "regexp"]);
/** What docker-mailserver writes itself, from files that are read here anyway. */
const GENERATED: ReadonlySet<string> = new Set([
  "/etc/postfix/virtual",
  "/etc/postfix/regexp",
  "/etc/postfix/sasl_passwd",
  "/etc/postfix/relayhost_map",
  "/etc/postfix/vmailbox",
  "/etc/postfix/vhost",
  "/etc/aliases",
]);

export type Table =
  /** `file` is relative to the config directory. */
  | { readonly kind: "text"; readonly file: string }
  | { readonly kind: "patterns"; readonly file: string }
  | { readonly kind: "static"; readonly value: string }
  | { readonly kind: "inline"; readonly entries: readonly (readonly [key: string, value: string])[] }
  /** Made by docker-mailserver from a file that counts here already. */
  | { readonly kind: "generated" }
  | { readonly kind: "unsupported"; readonly reason: string };

/** Every table of a value; they are separated by commas or white space, but not within braces. */
export function tablesOf(value: string): Table[] {
  return (value.match(/(?:\{[^{}]*\}|[^\s,{}])+/g) ?? []).map(tableOf);
}

function tableOf(text: string): Table {
  const colon = text.indexOf(":");
  const type = text.slice(0, colon).replace(/^proxy$/, "");
  const rest = text.slice(colon + 1);
  if (text.startsWith("proxy:")) return tableOf(rest);
  if (colon < 0) return { kind: "unsupported", reason: `"${text}" is no table (type:name)` };
  if (type === "static") return { kind: "static", value: rest.replace(/^\{\s*|\s*\}$/g, "") };
  if (type === "inline") return { kind: "inline", entries: inlineEntries(rest) };
  const patterns = PATTERN_TYPES.has(type);
  if (!patterns && !TEXT_TYPES.has(type))
    return {
      kind: "unsupported",
      reason: `tables of the type "${type}" are not read; write the entries into a texthash: file`,
    };
  if (GENERATED.has(rest)) return { kind: "generated" };
  const file = rest.startsWith(CONFIG_MOUNT) ? rest.slice(CONFIG_MOUNT.length) : undefined;
  if (file === undefined || file.split("/").some((part) => part === ".." || part === ""))
    return {
      kind: "unsupported",
      reason: `${rest} is not in the config directory (${CONFIG_MOUNT}); put the file there`,
    };
  return { kind: patterns ? "patterns" : "text", file };
}

/** `{ key = value, key = value }` (inline(5) of Postfix 3.0 and later). */
function inlineEntries(text: string): (readonly [string, string])[] {
  return text
    .replace(/^\{|\}$/g, "")
    .split(",")
    .flatMap((pair) => {
      const [key, ...value] = pair.split("=");
      const name = key?.trim() ?? "";
      return name === "" ? [] : [[name, value.join("=").trim()] as const];
    });
}

/** The `key value` lines of a table's text source. */
export function tableLines(text: string): (EntryLine & { readonly key: string; readonly value: string })[] {
  return entryLines(text).map(({ line, text: entry }) => {
    const space = entry.search(/\s/);
    return {
      line,
      text: entry,
      key: space < 0 ? entry : entry.slice(0, space),
      value: space < 0 ? "" : entry.slice(space).trim(),
    };
  });
}
