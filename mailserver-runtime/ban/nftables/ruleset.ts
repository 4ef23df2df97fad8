/**
 * The text that nft is given (nft(8)): one table of this server's own, and in it a chain that only first packets (SYN) to
 * this server's ports pass.
 *
 * Bans lie in hash sets with timeouts, one set a prefix length: `ip saddr & 255.255.255.0 @ban4_24`. So a look-up costs the
 * same for a hundred thousand bans as for one, and bans within bans never overlap, which one interval set would refuse. The
 * same for what is never banned, which is looked up first. The kernel ends a ban by itself.
 *
 * Pure: `nftables.ts` runs it.
 */
import { type Network, networkText, widened } from "../network.ts";

export interface BanElement {
  readonly network: Network;
  /** Milliseconds from now; undefined: for ever. */
  readonly lastsMs: number | undefined;
}
export interface Facts {
  readonly table: string;
  /** TCP ports of this server that clients connect to by themselves. */
  readonly ports: readonly number[];
  readonly blockType: "drop" | "reject";
  /** Never refused, whatever is banned. */
  readonly spared: readonly Network[];
}
/** Which sets there are: `4/32`. */
export type Lengths = ReadonlySet<string>;

const WIDTH = { 4: 32, 6: 128 } as const;
/** The hook of ordinary filters, and a little before them: what an administrator's rules accept is still refused. */
const PRIORITY = -10;

/**
 * A table in the place of an earlier one, with all bans in it; nothing of it is seen half done. In pieces, each of which is
 * made when it is asked for: a hundred thousand bans in one go would keep everybody waiting.
 */
export function* wholeTable(facts: Facts, bans: Iterable<BanElement>): Generator<string> {
  const { table, ports, spared } = facts;
  yield lines(
    // A table is deleted only where it is there.
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `add table inet ${table}`,
    `add chain inet ${table} bans`,
    ...[...lengthsOf(spared)].flatMap((length) => [
      `add set inet ${table} ${setName("never", length)} { type ${typeOf(length)}; }`,
      `add rule inet ${table} bans ${match(length)} @${setName("never", length)} return`,
    ]),
    ...elements(
      table,
      "never",
      spared.map((network) => ({ network, lastsMs: undefined })),
    ),
  );
  const known = new Set<string>();
  for (const piece of pieces(bans)) {
    const missing = [...lengthsOf(piece.map(({ network }) => network))].filter(
      (length) => !known.has(length),
    );
    for (const length of missing) known.add(length);
    yield lines(...newLengths(facts, missing), ...elements(table, "ban", piece));
  }
  yield lines(
    `add chain inet ${table} input { type filter hook input priority ${PRIORITY}; policy accept; }`,
    `add rule inet ${table} input iif lo return`,
    ...(ports.length === 0
      ? []
      : [
          `add rule inet ${table} input tcp dport { ${ports.join(", ")} } tcp flags & (fin|syn|rst|ack) == syn jump bans`,
        ]),
  );
}

/** Bans that came and that were lifted since. An element that is there is replaced: its end may have changed. */
export function* changes(
  facts: Facts,
  known: Lengths,
  put: readonly BanElement[],
  lifted: readonly Network[],
): Generator<string> {
  const { table } = facts;
  const networks = [...put.map(({ network }) => network), ...lifted];
  yield lines(
    ...newLengths(
      facts,
      [...lengthsOf(networks)].filter((length) => !known.has(length)),
    ),
  );
  // Deleting what has ended by itself is an error, adding what is there is none.
  const there = networks.map((network) => ({ network, lastsMs: undefined }));
  for (const piece of pieces(there))
    yield lines(...elements(table, "ban", piece), ...elements(table, "ban", piece, "delete"));
  for (const piece of pieces(put)) yield lines(...elements(table, "ban", piece));
}

/** The table goes, if it is there. */
export function noTable(table: string): readonly string[] {
  return [lines(`add table inet ${table}`, `delete table inet ${table}`)];
}

export function lengthsOf(networks: readonly Network[]): Set<string> {
  return new Set(networks.map(({ family, prefix }) => `${family}/${prefix}`));
}

function newLengths({ table, blockType }: Facts, lengths: readonly string[]): string[] {
  const verdict = blockType === "drop" ? "drop" : "reject with tcp reset";
  return lengths.flatMap((length) => [
    `add set inet ${table} ${setName("ban", length)} { type ${typeOf(length)}; flags timeout; }`,
    `add rule inet ${table} bans meta l4proto tcp ${match(length)} @${setName("ban", length)} counter ${verdict}`,
  ]);
}

/** So many elements stand in one line: one a line takes nft much longer, and all of them us. */
const PIECE = 500;
function* pieces(all: Iterable<BanElement>): Generator<BanElement[]> {
  let piece: BanElement[] = [];
  for (const one of all) {
    piece.push(one);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}

const lines = (...all: readonly string[]): string => all.map((line) => `${line}\n`).join("");

/** One line for each set. */
function elements(
  table: string,
  kind: "ban" | "never",
  all: readonly BanElement[],
  verb: "add" | "delete" = "add",
): string[] {
  const bySet = new Map<string, string[]>();
  for (const { network, lastsMs } of all) {
    const name = setName(kind, `${network.family}/${network.prefix}`);
    const timeout = lastsMs === undefined ? "" : ` timeout ${Math.max(1, Math.ceil(lastsMs / 1000))}s`;
    const element = `${base(network)}${timeout}`;
    const of = bySet.get(name);
    if (of === undefined) bySet.set(name, [element]);
    else of.push(element);
  }
  return [...bySet].map(([name, list]) => `${verb} element inet ${table} ${name} { ${list.join(", ")} }`);
}

const setName = (kind: "ban" | "never", length: string): string => `${kind}${length.replace("/", "_")}`;
const typeOf = (length: string): string => (length.startsWith("4") ? "ipv4_addr" : "ipv6_addr");
/** A network's first address, which stands for it in the set of its length. */
const base = ({ family, bits }: Network): string => networkText({ family, bits, prefix: WIDTH[family] });

function match(length: string): string {
  const [family, prefix] = length.split("/").map(Number) as [4 | 6, number];
  const field = family === 4 ? "ip saddr" : "ip6 saddr";
  if (prefix === WIDTH[family]) return field;
  const mask = widened({ family, bits: (1n << BigInt(WIDTH[family])) - 1n, prefix: WIDTH[family] }, prefix);
  return `${field} & ${base(mask)}`;
}
