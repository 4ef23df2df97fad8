/** A V8 processor profile as two tables: time by file, and the functions that take most of it themselves. */

/** What `node --cpu-prof` writes, as far as it is read here. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

const ROWS = 45;

export function profileTable(profile: Profile): string {
  const self = new Map<number, number>();
  profile.samples.forEach((id, at) => {
    self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[at] ?? 0));
  });
  const byFile = new Map<string, number>();
  const byFunction = new Map<string, number>();
  let busy = 0;
  for (const { id, callFrame } of profile.nodes) {
    const time = self.get(id) ?? 0;
    if (time === 0 || callFrame.functionName === "(idle)" || callFrame.functionName === "(program)") continue;
    busy += time;
    const file = callFrame.url.replace(/^.*\/(?=mailserver-runtime|node_modules)/, "") || "(native)";
    add(byFile, file, time);
    add(byFunction, `${callFrame.functionName || "(anonymous)"} ${file}:${callFrame.lineNumber + 1}`, time);
  }
  return `by file\n${top(byFile, busy)}by function\n${top(byFunction, busy)}`;
}

function add(to: Map<string, number>, key: string, time: number): void {
  to.set(key, (to.get(key) ?? 0) + time);
}
function top(of: ReadonlyMap<string, number>, whole: number): string {
  return [...of]
    .sort((a, b) => b[1] - a[1])
    .slice(0, ROWS)
    .map(
      ([key, time]) =>
        `${((100 * time) / whole).toFixed(1).padStart(6)} % ${(time / 1000).toFixed(0).padStart(7)} ms  ${key}\n`,
    )
    .join("");
}
