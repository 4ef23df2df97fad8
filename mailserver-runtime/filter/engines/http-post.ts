/** One POST to an engine that speaks HTTP, over connections that are kept; the body streams, the answer has a bound. */
import { Agent, type IncomingMessage, request } from "node:http";
import type { MessageContent } from "../../message/content.ts";
import { type Place, placeText } from "../../settings/place.ts";
import { EngineError } from "./engine.ts";

export interface Posting {
  readonly place: Place;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly content: MessageContent;
  /** By `performance.now()`. */
  readonly deadline: number;
  /** Most bytes of an answer. */
  readonly limit: number;
}
export interface Posted {
  readonly status: number;
  readonly body: Buffer;
}

const agent = new Agent({ keepAlive: true, maxFreeSockets: 8, timeout: 60_000 });

/** Throws EngineError. A kept connection that the other side has ended meanwhile is tried once more with a new one. */
export async function post(posting: Posting): Promise<Posted> {
  try {
    return await attempt(posting);
  } catch (error) {
    if (error instanceof StaleConnection) return attempt(posting, new Agent());
    throw error;
  }
}
class StaleConnection extends EngineError {}

function attempt({ place, path, headers, content, deadline, limit }: Posting, by = agent): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const where = "path" in place ? { socketPath: place.path } : place;
    const asked = request({
      ...where,
      path,
      method: "POST",
      agent: by,
      headers: { ...headers, "Content-Length": content.size } as Record<string, string | string[] | number>,
    });
    const fail = (error: unknown) => {
      clearTimeout(timer);
      asked.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(new EngineError("late", "it did not answer in time")),
      Math.max(1, deadline - performance.now()),
    );
    asked.on("error", (error: NodeJS.ErrnoException) => {
      const stale = asked.reusedSocket && error.code === "ECONNRESET";
      const Kind = stale ? StaleConnection : EngineError;
      const isThere = error.code === "ECONNRESET" || error.code === "EPIPE" || error.code?.startsWith("HPE_");
      fail(
        isThere
          ? new Kind(error.code?.startsWith("HPE_") ? "nonsense" : "gone", error.message)
          : new EngineError("unreachable", `cannot reach ${placeText(place)}: ${error.message}`),
      );
    });
    asked.once("response", (answer: IncomingMessage) => {
      const pieces: Buffer[] = [];
      let length = 0;
      answer.on("data", (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > limit) fail(new EngineError("nonsense", `its answer has no end within ${limit} bytes`));
      });
      answer.once("error", (error) => fail(new EngineError("gone", error.message)));
      answer.once("end", () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces) });
      });
    });
    write(content, asked).catch(fail);
  });
}

async function write(content: MessageContent, asked: ReturnType<typeof request>): Promise<void> {
  for await (const chunk of content.chunks()) {
    if (asked.destroyed) return;
    if (!asked.write(chunk))
      await new Promise<void>((resolve) => {
        const go = () => {
          asked.off("drain", go).off("close", go);
          resolve();
        };
        asked.on("drain", go).on("close", go);
      });
  }
  asked.end();
}
