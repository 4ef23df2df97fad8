/**
 * Threads of messages (RFC 5256 §3): by subject and date, or by References with subjects joining the rest.
 *
 * Messages are nodes given by index; a node without a message is a parent that is not in the mailbox.
 * Nothing recurses, so a chain of 100,000 replies is only a long one.
 */

export interface ThreadMessage {
  /** What the answer shows: sequence number or UID. */
  readonly number: number;
  readonly date: number;
  readonly base: string;
  readonly isReply: boolean;
  readonly messageId: string | undefined;
  /** Of References, or In-Reply-To where there are none; oldest first. */
  readonly references: readonly string[];
}

export interface ThreadNode {
  message: ThreadMessage | undefined;
  parent: ThreadNode | undefined;
  children: ThreadNode[];
}

/** THREAD=ORDEREDSUBJECT: messages of one base subject are one thread, the first its parent. */
export function orderedSubject(messages: readonly ThreadMessage[]): ThreadNode[] {
  const threads = new Map<string, ThreadNode>();
  for (const message of [...messages].sort(byDate)) {
    const node: ThreadNode = { message, parent: undefined, children: [] };
    const first = threads.get(message.base);
    if (first) first.children.push(node);
    else threads.set(message.base, node);
  }
  return [...threads.values()];
}

function byDate(a: ThreadMessage, b: ThreadMessage): number {
  return a.date - b.date || a.number - b.number;
}

/** THREAD=REFERENCES (RFC 5256 §3, steps 1 to 6). */
export function byReferences(messages: readonly ThreadMessage[]): ThreadNode[] {
  const nodes = linkReferences(messages);
  const roots = prune(nodes.filter((node) => !node.parent));
  sortTree(roots);
  const joined = joinSubjects(roots);
  sortTree(joined);
  return joined;
}

/** Step 1: a node for every message and every id that is named; parents by References. */
function linkReferences(messages: readonly ThreadMessage[]): ThreadNode[] {
  const all: ThreadNode[] = [];
  const byId = new Map<string, ThreadNode>();
  const make = (message: ThreadMessage | undefined): ThreadNode => {
    const node: ThreadNode = { message, parent: undefined, children: [] };
    all.push(node);
    return node;
  };
  const named = (id: string): ThreadNode => {
    let node = byId.get(id);
    if (!node) {
      node = make(undefined);
      byId.set(id, node);
    }
    return node;
  };
  for (const message of messages) {
    let node: ThreadNode | undefined;
    if (message.messageId !== undefined) {
      const known = named(message.messageId);
      // A Message-ID that stands twice counts for the first message only.
      if (!known.message) {
        known.message = message;
        node = known;
      }
    }
    node ??= make(message);
    let parent: ThreadNode | undefined;
    for (const id of message.references) {
      const next = named(id);
      if (parent && !next.parent && !isAncestor(next, parent)) attach(next, parent);
      parent = next;
    }
    // Step 1.B: what others said of its parent came from a shortened References field.
    if (node.parent) detach(node);
    if (parent && !isAncestor(node, parent)) attach(node, parent);
  }
  return all;
}

function attach(child: ThreadNode, parent: ThreadNode): void {
  child.parent = parent;
  parent.children.push(child);
}

function detach(child: ThreadNode): void {
  const siblings = child.parent!.children;
  siblings.splice(siblings.indexOf(child), 1);
  child.parent = undefined;
}

/** Whether `node` is `below` or above it: linking them would make a ring. */
function isAncestor(node: ThreadNode, below: ThreadNode): boolean {
  // Who has no children is above nobody: the usual case of a reply that comes after its thread.
  if (node.children.length === 0) return node === below;
  for (let at: ThreadNode | undefined = below; at; at = at.parent) if (at === node) return true;
  return false;
}

/** Step 3: parents that are not in the mailbox give way to their children, but keep siblings together at the top. */
function prune(roots: readonly ThreadNode[]): ThreadNode[] {
  const order: ThreadNode[] = [];
  const stack = [...roots];
  while (stack.length > 0) {
    const node = stack.pop()!;
    order.push(node);
    stack.push(...node.children);
  }
  // Children before parents.
  for (const node of order.reverse()) {
    node.children = node.children.flatMap((child) => (child.message ? [child] : child.children));
    for (const child of node.children) child.parent = node;
  }
  const result: ThreadNode[] = [];
  for (const root of roots) {
    if (root.message || root.children.length > 1) result.push(root);
    else for (const child of root.children) result.push(child);
  }
  for (const root of result) root.parent = undefined;
  return result;
}

/** The message by which a thread is dated and named: its own, or its first child's. */
function face(node: ThreadNode): ThreadMessage {
  return node.message ?? node.children[0]!.message!;
}

/** Steps 4 and 6: siblings by date. */
function sortTree(roots: ThreadNode[]): void {
  const lists: ThreadNode[][] = [roots];
  const nodes = [...roots];
  while (nodes.length > 0) {
    const node = nodes.pop()!;
    lists.push(node.children);
    nodes.push(...node.children);
  }
  // Inner lists first: a missing parent is dated by its first child.
  for (const list of lists.reverse()) list.sort((a, b) => byDate(face(a), face(b)));
}

/** Step 5: threads of one base subject become one. */
function joinSubjects(roots: readonly ThreadNode[]): ThreadNode[] {
  const table = new Map<string, ThreadNode>();
  for (const root of roots) {
    const { base } = face(root);
    if (base === "") continue;
    const before = table.get(base);
    if (!before || (before.message && !root.message) || (face(before).isReply && !face(root).isReply)) {
      table.set(base, root);
    }
  }
  const result: ThreadNode[] = [];
  const replaced = new Map<ThreadNode, ThreadNode>();
  const gone = new Set<ThreadNode>();
  for (const root of roots) {
    const first = table.get(face(root).base);
    if (!first || first === root) {
      result.push(root);
      continue;
    }
    const target = replaced.get(first) ?? first;
    gone.add(root);
    if (!target.message) {
      if (root.message) target.children.push(root);
      else target.children.push(...root.children);
    } else if (root.message && face(root).isReply && !face(target).isReply) {
      target.children.push(root);
    } else {
      // Neither answers the other: siblings below a parent that nobody has.
      const parent: ThreadNode = { message: undefined, parent: undefined, children: [target, root] };
      replaced.set(first, parent);
    }
  }
  return result.filter((node) => !gone.has(node)).map((node) => replaced.get(node) ?? node);
}
