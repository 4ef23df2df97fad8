/**
 * The server's metrics: families that rooms add, and their text in the format that Prometheus reads
 * (text exposition format 0.0.4, which OpenMetrics readers accept as well). Nothing is counted here.
 */

/** One figure of a family; label values may be any text. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}
/** A metric with all its samples, read when somebody asks. */
export interface MetricFamily {
  /** `mailkeep_<room>_<what>`, counters end in `_total`, units are base units (seconds, bytes). */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  read(): readonly Sample[];
}

export class Metrics {
  readonly #families = new Map<string, MetricFamily>();

  /** @throws {RangeError} for a name that is no metric's, or is there already */
  add(...families: readonly MetricFamily[]): void {
    for (const family of families) {
      if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(family.name))
        throw new RangeError(`"${family.name}" is no name of a metric`);
      if (this.#families.has(family.name)) throw new RangeError(`there is a metric ${family.name} already`);
      this.#families.set(family.name, family);
    }
  }

  /** Every family, in the order in which they were added. */
  text(): string {
    return [...this.#families.values()].map(familyText).join("");
  }
}

function familyText({ name, help, type, read }: MetricFamily): string {
  const samples = read().map(({ labels, value }) => `${name}${labelsText(labels)} ${number(value)}\n`);
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${samples.join("")}`;
}

function labelsText(labels: Sample["labels"]): string {
  const pairs = Object.entries(labels ?? {}).map(
    ([key, value]) => `${key}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

const number = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
