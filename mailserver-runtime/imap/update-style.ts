import type { UpdateStyle } from "./selected.ts";
import type { Session } from "./session.ts";

/** How this client wants changes told, by what it enabled. */
export function updateStyle(session: Session): UpdateStyle {
  const { qresync, condstore, rev2, uidOnly } = session.enabled;
  const flags = session.notifier?.tellsFlags ?? true;
  return { vanished: qresync || uidOnly, condstore: condstore || qresync, rev2, flags, uidOnly };
}
