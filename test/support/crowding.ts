/** How much slower this machine is than if it were alone: what a bound in seconds has to be multiplied by. */
import { performance } from "node:perf_hooks";

const SPIN_MS = 40;

/**
 * Elapsed time over own processor time of a short computation, at least 1: 1 on a machine that has time, some 8 where
 * eight others compute on each core. So a bound stays as strict as it was meant where nobody else is at work.
 */
export function crowding(): number {
  const begin = performance.now();
  const used = process.cpuUsage();
  let spent = 0;
  while (spent < SPIN_MS) {
    const { user, system } = process.cpuUsage(used);
    spent = (user + system) / 1000;
  }
  return Math.max(1, (performance.now() - begin) / spent);
}
