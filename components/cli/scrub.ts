/** Keeps secrets out of messages: an error text of a system below may quote what it was given. Pure. */

/** Shorter texts are words of any sentence. */
const SHORTEST_SECRET = 5;

/** Every secret text in a configuration, longest first. */
export function secretTexts(
  config: Readonly<Record<string, string>>,
  secretKeys: readonly string[],
): string[] {
  const found = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value === "string" && value.length >= SHORTEST_SECRET) found.add(value);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(collect);
  };
  for (const key of secretKeys) {
    const text = config[key] ?? "";
    collect(text);
    try {
      collect(JSON.parse(text));
    } catch {
      // A plain text, collected above.
    }
  }
  return [...found].sort((left, right) => right.length - left.length);
}

/** The message with every secret replaced. */
export const scrub = (message: string, secrets: readonly string[]): string =>
  secrets.reduce((text, secret) => text.replaceAll(secret, "[secret]"), message);
