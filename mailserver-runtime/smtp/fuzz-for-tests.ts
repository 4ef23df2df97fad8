/**
 * How long this room is fuzzed. MAILKEEP_FUZZ is the number of cases of all its fuzz tests together (a million
 * for evidence, some thousands by default), MAILKEEP_FUZZ_SEED repeats a run.
 *
 *     MAILKEEP_FUZZ=1000000 node --test --test-timeout=7200000 mailserver-runtime/smtp/{fuzz,fuzz-client,smuggling}.test.ts
 */
import type { TestContext } from "node:test";

const cases = Number(process.env.MAILKEEP_FUZZ ?? 15_000);
const seed = Number(process.env.MAILKEEP_FUZZ_SEED ?? Date.now() % 2 ** 31);

/** fast-check's parameters for a test's share of the cases; the seed is told. */
export function fuzzRun(t: TestContext, share: number): { readonly numRuns: number; readonly seed: number } {
  const numRuns = Math.max(1, Math.round(cases * share));
  t.diagnostic(`${numRuns} cases, MAILKEEP_FUZZ_SEED=${seed}`);
  return { numRuns, seed };
}
