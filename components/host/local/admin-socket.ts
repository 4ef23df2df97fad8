/**
 * A request to the running server: one connection to its local socket, one JSON line there, one back (admin/contract.ts).
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { Limit } from "../connection.ts";
import { HostError } from "../host-error.ts";

const SOCKET_NAME = "admin.sock";
/** sun_path holds 108 bytes on Linux and 104 elsewhere, the final zero among them. */
const SOCKET_PATH_LIMIT = 100;
const ANSWER_LIMIT = 64 << 20;

/** What connecting to a socket says when nobody listens there. */
const notListening = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

/**
 * Sends the line and answers with the server's line, or with undefined where no server listens.
 *
 * @throws {HostError} `unreachable` when the limit passes or the connection breaks before the answer is complete
 */
export async function askServer(
  runDirectory: string,
  line: string,
  limit: Limit,
): Promise<string | undefined> {
  const direct = join(runDirectory, SOCKET_NAME);
  if (Buffer.byteLength(direct) <= SOCKET_PATH_LIMIT) return exchange(direct, line, limit);
  // A long path is reached through an open descriptor of its directory.
  const directory = await open(runDirectory, constants.O_RDONLY | constants.O_DIRECTORY).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );
  if (!directory) return undefined;
  try {
    return await exchange(`/proc/self/fd/${directory.fd}/${SOCKET_NAME}`, line, limit);
  } finally {
    await directory.close();
  }
}

function exchange(path: string, line: string, limit: Limit): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      limit.signal?.removeEventListener("abort", aborted);
      socket.destroy();
      settle();
    };
    const fail = (reason: string) =>
      finish(() => reject(new HostError("unreachable", `The mail server's admin socket ${reason}.`)));
    const aborted = () => fail("was not waited for: the operation was cancelled");
    const timer = setTimeout(
      () => fail("gave no answer in time; is the server stuck? Its log may say why"),
      Math.max(0, limit.deadline - Date.now()),
    );
    limit.signal?.addEventListener("abort", aborted, { once: true });
    socket.on("connect", () => socket.write(`${line}\n`));
    socket.on("data", (chunk) => {
      const end = chunk.indexOf(0x0a);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (end >= 0) finish(() => resolve(Buffer.concat(chunks).toString("utf8")));
      else if (size > ANSWER_LIMIT) fail("sends an answer without an end");
    });
    socket.on("end", () => fail("closed before it answered"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (notListening.has(error.code ?? "")) finish(() => resolve(undefined));
      else fail(`cannot be used (${error.code ?? error.message})`);
    });
  });
}
