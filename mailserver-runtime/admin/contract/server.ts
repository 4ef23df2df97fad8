/** The server as a whole: who runs, its figures, its files, its end. */
import { z } from "zod";

export const serverOperations = {
  /** Who runs here, what it serves and what is wrong in its files. */
  status: {
    request: z.strictObject({}),
    answer: z.strictObject({
      running: z.boolean(),
      version: z.string(),
      /** Made once per data directory; tells one host from another. */
      machineId: z.string(),
      pid: z.int().optional(),
      startedAt: z.string().optional(),
      listeners: z.array(z.strictObject({ protocol: z.string(), address: z.string(), port: z.int() })),
      accounts: z.int(),
      problems: z.array(z.strictObject({ file: z.string(), line: z.int(), reason: z.string() })),
    }),
  },
  /** Reads all files again; answers when the new state is in force. */
  reload: { request: z.strictObject({}), answer: z.strictObject({ generation: z.int(), accounts: z.int() }) },
  /** How it is (health/health.ts): `unhealthy` where its own probe failed, `degraded` where somebody should look. */
  health: {
    request: z.strictObject({}),
    answer: z.strictObject({
      state: z.enum(["healthy", "degraded", "unhealthy", "not-probed"]),
      /** When it was probed, ISO 8601. */
      at: z.string().optional(),
      steps: z.array(
        z.strictObject({
          name: z.string(),
          result: z.enum(["ok", "failed", "not-possible"]),
          ms: z.number().optional(),
          detail: z.string(),
        }),
      ),
      reasons: z.array(z.string()),
    }),
  },
  /** The server's figures in Prometheus' text format. */
  metrics: { request: z.strictObject({}), answer: z.strictObject({ text: z.string() }) },
  /** Ends the server after the answer: no new connections, deliveries under way get `graceMs`. */
  stop: {
    request: z.strictObject({ graceMs: z.int().min(0).default(10_000) }),
    answer: z.strictObject({ stopping: z.boolean() }),
  },
} as const;
