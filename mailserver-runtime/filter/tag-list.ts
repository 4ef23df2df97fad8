/**
 * Tag lists, `name=value; name=value` (RFC 6376 §3.2), in which DKIM, ARC and DMARC write what they have to say.
 * White space around names and values goes. A part without "=" is passed over, as the field does.
 */
export interface TagListOptions {
  /** "exact": names are case-sensitive, as the grammar says; "any-case" makes them lower case. */
  readonly names: "exact" | "any-case";
}

/** Values by name; undefined where a name stands twice, which makes the whole list void. */
export function parseTagList(
  text: string,
  { names }: TagListOptions = { names: "exact" },
): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>();
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    const written = part.slice(0, equals).trim();
    const name = names === "any-case" ? written.toLowerCase() : written;
    if (tags.has(name)) return undefined;
    tags.set(name, part.slice(equals + 1).trim());
  }
  return tags;
}

/** A value without any white space: base64 may be folded anywhere. */
export function unspaced(value: string): string {
  return value.replace(/\s+/g, "");
}
