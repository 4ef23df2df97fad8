/**
 * `npm run bench -- <area> [--quick] [--json] [--check]`: ours beside every installed peer.
 *
 * --quick ends within 50 s; --json prints one row a line; --check exits 1 where a goal is missed.
 */
import { mkdtempSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { filter } from "./areas/filter.ts";
import { imap } from "./areas/imap.ts";
import { smtp } from "./areas/smtp.ts";
import { smtpOutbound } from "./areas/smtp-outbound.ts";
import { spam } from "./areas/spam.ts";
import { type Cell, type Figure, machine, measure, type Row } from "./harness.ts";

export interface AreaOptions {
  readonly quick: boolean;
  /** An empty folder on a real disk; every measurement makes its own below it. */
  readonly directory: string;
}
export interface Area {
  /** Cells to measure, and how the peers' versions read. */
  prepare(
    options: AreaOptions,
  ): Promise<{ cells: readonly Cell[]; versions: Record<string, string>; close(): Promise<void> }>;
}
const areas: Readonly<Record<string, Area>> = {
  filter,
  imap,
  smtp,
  "smtp-outbound": smtpOutbound,
  spam,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    rounds: { type: "string" },
    row: { type: "string" },
  },
});
const area = areas[positionals[0] ?? ""];
if (!area) {
  process.stderr.write(`Which area? ${Object.keys(areas).join(", ")}\n`);
  process.exit(1);
}
const name = positionals[0]!;
const directory = mkdtempSync(path.join(process.env.BENCH_DIRECTORY ?? os.tmpdir(), "mailkeep-bench-"));
const rounds = values.rounds ? Number(values.rounds) : values.quick ? 1 : 3;
const prepared = await area.prepare({ quick: values.quick, directory });
const rows: Row[] = [];
if (!values.json) {
  for (const [what, text] of Object.entries({ ...machine(), ...prepared.versions }))
    process.stdout.write(`${what}: ${text}\n`);
  process.stdout.write(`rounds: ${rounds}, data below ${directory}\n\n`);
}
try {
  for (const cell of prepared.cells) {
    if (values.row && !cell.row.includes(values.row)) continue;
    const row = await measure(name, cell, rounds);
    rows.push(row);
    process.stdout.write(values.json ? `${JSON.stringify(row)}\n` : `${line(row)}\n`);
  }
} finally {
  await prepared.close();
}
if (values.json)
  process.stdout.write(`${JSON.stringify({ machine: machine(), versions: prepared.versions })}\n`);
process.exitCode = values.check && rows.some((row) => row.met === false) ? 1 : 0;

function line(row: Row): string {
  const peers = Object.entries(row.peers)
    .map(([peer, figure]) => `${peer} ${spread(figure)}`)
    .join(", ");
  const verdict =
    row.met === undefined
      ? ""
      : row.met
        ? "  met"
        : `  MISSED (goal ${[row.goal, row.least && `${row.least.toFixed(1)} ${row.unit}`].filter(Boolean).join(", ")})`;
  return `${row.row.padEnd(44)} ours ${spread(row.ours)} ${row.unit}  ${peers}  ratio ${row.ratio ?? "-"}${verdict}`;
}
/** The median, and least and most where there are several rounds. */
function spread({ min, median, max, rounds }: Figure): string {
  return rounds === 1 ? String(median) : `${median} (${min} to ${max})`;
}
