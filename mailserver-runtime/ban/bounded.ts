/** Maps that forget what was touched longest ago. */

/**
 * Sets a value as the newest. Over `most` entries the oldest sixteenth goes at once: a Map walks over the holes that
 * deletions leave at its front, so dropping one at a time would cost a walk each.
 */
export function keepNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  let surplus = map.size - most + Math.floor(most / 16);
  for (const oldest of map.keys()) {
    if (surplus-- <= 0) return;
    map.delete(oldest);
  }
}
