/**
 * The bench harness: cells measured side by side with peers, in turns, and printed as ratios.
 *
 * A cell is one situation (so many connections, such a size); a contestant is a server. Rounds interleave:
 * ours, peer, peer, ours, … each in a fresh directory, nothing deleted until all is measured, so that a
 * drifting machine or a file system that is busy deleting harms all alike. Only ratios mean anything
 * beyond the machine they were made on.
 */
import { execFileSync } from "node:child_process";
import * as os from "node:os";

/** One row of the result. `ratio` is our median over the best peer's, so that more than 1 is better. */
export interface Row {
  readonly area: string;
  readonly row: string;
  readonly unit: string;
  readonly ours: Figure;
  readonly peers: Readonly<Record<string, Figure>>;
  readonly ratio: number | undefined;
  readonly goal: number | undefined;
  readonly least: number | undefined;
  readonly met: boolean | undefined;
}
export interface Figure {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly rounds: number;
}
/** One server in one cell: returns what is counted (a rate: more is better). */
export interface Contestant {
  readonly name: string;
  measure(round: number): Promise<number>;
}
export interface Cell {
  readonly row: string;
  readonly unit: string;
  /** The ratio over the best peer that the project has set itself. */
  readonly goal?: number;
  /** What ours has to reach whatever the peers do, in the cell's unit. */
  readonly least?: number;
  readonly ours: Contestant;
  readonly peers: readonly Contestant[];
}

/** Measures a cell in interleaved rounds. */
export async function measure(area: string, cell: Cell, rounds: number): Promise<Row> {
  const figures = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    const order = [cell.ours, ...cell.peers];
    if (round % 2 === 1) order.reverse();
    for (const contestant of order) {
      const list = figures.get(contestant.name) ?? [];
      list.push(await contestant.measure(round));
      figures.set(contestant.name, list);
    }
  }
  const ours = figure(figures.get(cell.ours.name) ?? []);
  const peers = Object.fromEntries(
    cell.peers.map((peer) => [peer.name, figure(figures.get(peer.name) ?? [])]),
  );
  const best = Math.max(...Object.values(peers).map((one) => one.median));
  const ratio = cell.peers.length > 0 ? round3(ours.median / best) : undefined;
  const { row, unit, goal, least } = cell;
  const verdicts = [
    ...(goal === undefined || ratio === undefined ? [] : [ratio >= goal]),
    ...(least === undefined ? [] : [ours.median >= least]),
  ];
  const met = verdicts.length > 0 ? verdicts.every(Boolean) : undefined;
  return { area, row, unit, ours, peers, ratio, goal, least, met };
}

function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return {
    min: round3(sorted[0]!),
    median: round3(median),
    max: round3(sorted[sorted.length - 1]!),
    rounds: sorted.length,
  };
}
function round3(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 1000) / 1000;
}

/** What the figures were measured on. */
export function machine(): Record<string, string> {
  const cpu = os.cpus()[0]?.model ?? "unknown";
  return {
    cpu: `${os.cpus().length} × ${cpu}`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    kernel: os.release(),
    node: process.versions.node,
    load: os
      .loadavg()
      .map((value) => value.toFixed(2))
      .join(" "),
  };
}

/** First line a tool prints of its own version, or the reason why it is not there. */
export function version(tool: string, ...args: string[]): string {
  try {
    return execFileSync(tool, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
      .trim()
      .split("\n")[0]!;
  } catch (error) {
    return `not found (${(error as Error).message.split("\n")[0]})`;
  }
}
