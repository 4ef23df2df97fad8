/** Two versions of a program between which lie a create, an update, both kinds of replacement and a deletion. */
import { File } from "./stack.ts";

export function before(): void {
  new File("updated", { path: "updated.txt", content: "one" });
  new File("replaced", { path: "replaced-old.txt", content: "one" });
  new File("first", { path: "first-old.txt", content: "one" }, { deleteBeforeReplace: true });
  new File("gone", { path: "gone.txt", content: "one" });
}

export function afterwards(): void {
  const created = new File("created", { path: "created.txt", content: "two" });
  const updated = new File("updated", { path: "updated.txt", content: "two" }, { dependsOn: [created] });
  const replaced = new File(
    "replaced",
    { path: "replaced-new.txt", content: "two" },
    { dependsOn: [updated] },
  );
  new File(
    "first",
    { path: "first-new.txt", content: "two" },
    { deleteBeforeReplace: true, dependsOn: [replaced] },
  );
}

/** What lies on the disk when the second version is applied. */
export const EXPECTED = ["created.txt", "first-new.txt", "replaced-new.txt", "updated.txt"];
