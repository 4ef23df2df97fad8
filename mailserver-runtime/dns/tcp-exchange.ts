/** One message to a name server and one back over TCP (RFC 7766), which the server can tell from a forged packet. */
import net from "node:net";
import type { ServerAddress } from "./exchange.ts";
import { framed } from "./wire.ts";

/** Never rejects. */
export function exchangeTcp(
  server: ServerAddress,
  octets: Buffer,
  timeoutMs: number,
): Promise<{ readonly octets: Buffer } | { readonly failure: string }> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: server.address, port: server.port });
    const timer = setTimeout(() => end({ failure: `no answer within ${timeoutMs} ms` }), timeoutMs);
    let received: Buffer = Buffer.alloc(0);
    socket.on("connect", () => socket.write(framed(octets)));
    socket.on("error", (error) => end({ failure: error.message }));
    socket.on("close", () => end({ failure: "the connection was closed before the answer" }));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        end({ octets: received.subarray(2, 2 + received.readUInt16BE(0)) });
    });

    function end(result: { readonly octets: Buffer } | { readonly failure: string }): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    }
  });
}
