/** The server's own clock for DKIM rotations under way: what is due is done, one phase a domain at a time. */
import type { Log } from "../net/log.ts";
import type { AdminContext } from "./context.ts";
import { perform } from "./operations.ts";

const EVERY_MS = 300_000;

export interface DkimClock {
  stop(): void;
}

export function startDkimClock(context: AdminContext, log: Log): DkimClock {
  const look = async () => {
    try {
      const { lines } = await perform("dkim.advance", {}, context);
      if (lines.length > 0) log.info({ event: "dkim-rotation", lines }, "a rotation of DKIM keys went on");
    } catch (error) {
      log.warn(
        { event: "dkim-rotation-stuck", reason: error instanceof Error ? error.message : String(error) },
        "a rotation of DKIM keys does not go on; the keys in use stay",
      );
    }
  };
  const timer = setInterval(() => void look(), EVERY_MS).unref();
  return { stop: () => clearInterval(timer) };
}
