/**
 * The selectors of a domain's DKIM keys: three for each kind of key, which take turns (dkim-rotation/rotation.ts of the runtime).
 * They stay the same for ever, so that what publishes their records knows their names before any key is made. Pure.
 */
export type DkimAlgorithm = "rsa-2048" | "rsa-4096" | "ed25519";

/** What the selectors of one kind are at first. */
export interface FirstSelectors {
  readonly algorithm: DkimAlgorithm;
  readonly current: string;
  readonly next: string;
  readonly spare: string;
}

/** `first` names the first kind's; the second has `-ed` or `-rsa` behind them. */
export function dkimSelectors(
  algorithms: readonly DkimAlgorithm[],
  first: { readonly current: string; readonly next: string },
): FirstSelectors[] {
  return algorithms.map((algorithm, index) => {
    const suffix = index === 0 ? "" : algorithm === "ed25519" ? "-ed" : "-rsa";
    const [current, next] = [`${first.current}${suffix}`, `${first.next}${suffix}`];
    return { algorithm, current, next, spare: following(next, current) };
  });
}

/** The name after one: its last number grows until it is not the one that is taken (`mk2` → `mk3`). */
function following(name: string, taken: string): string {
  const [, before = name, number = "1", after = ""] = /^(.*?)(\d+)(\D*)$/.exec(name) ?? [];
  const candidate = (count: number) => `${before}${count}${after}`;
  const next = Number(number) + 1;
  return candidate(next) === taken ? candidate(next + 1) : candidate(next);
}
