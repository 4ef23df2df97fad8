/** An empty queue without figures, for tests of what is not the queue's. */
import type { LiveServer } from "./context.ts";

const none = async (): Promise<number> => 0;

export const nothingQueued: Pick<LiveServer, "queue" | "metrics"> = {
  queue: {
    list: async () => ({ entries: [], total: 0 }),
    show: async () => undefined,
    hold: none,
    release: none,
    retry: none,
    bounce: none,
    remove: none,
  },
  metrics: { text: () => "" },
};
