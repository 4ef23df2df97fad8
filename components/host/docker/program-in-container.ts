/** A program in a container as `AdminLines` wants one: streams, an end, and a way to end it. */
import { PassThrough } from "node:stream";
import type { AdminProcess } from "../admin-lines.ts";
import { HostError } from "../host-error.ts";
import type { AttachedStreams } from "./engine-api.ts";
import { separated } from "./output-frames.ts";

/** What a started program is: its streams, the code it ends with, and its removal. */
export interface StartedInContainer {
  readonly streams: AttachedStreams;
  readonly code: () => Promise<number | undefined>;
  readonly end: () => Promise<void>;
}

/** @param start what it rejects with is the failure of every request that waits */
export function programInContainer(start: () => Promise<StartedInContainer>): AdminProcess {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const started = start();
  const ended = started.then(
    async ({ streams, code }) => {
      const outputs = separated(streams);
      outputs.stdout.pipe(stdout);
      outputs.stderr.pipe(stderr);
      stdin.pipe(streams.socket);
      await outputs.ended;
      const exit = await code().catch(() => undefined);
      // 137: SIGKILL, as when its container is stopped; the next attempt finds another state.
      const gone = exit === undefined || exit === 137;
      return {
        reason: `ended with code ${exit ?? "unknown"}`,
        code: gone ? "unreachable" : "internal",
      } as const;
    },
    (error: unknown) => {
      stdout.end();
      stderr.end();
      const reason = `could not be started (${error instanceof Error ? error.message : String(error)})`;
      return { reason, code: error instanceof HostError ? error.code : "internal" } as const;
    },
  );
  const kill = () => {
    started
      .then(({ streams, end }) => {
        streams.socket.destroy();
        return end();
      })
      .catch(() => {});
  };
  return { stdin, stdout, stderr, ended, kill };
}
