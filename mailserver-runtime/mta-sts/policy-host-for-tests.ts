/** A policy host on the loopback: HTTPS with a certificate of a test's authority, and an answer that the test changes. */
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface PolicyHost {
  readonly port: number;
  /** Requests so far. */
  readonly requests: () => number;
  /** What it says from now on; undefined: nothing, ever. */
  answer: PolicyAnswer | undefined;
  /** Policies for single hosts, before `answer`. */
  readonly bodies: Map<string, string>;
  close(): Promise<void>;
}
export interface PolicyAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export const policyText = (mode: string, mx: readonly string[], maxAge = 86_400): string =>
  ["version: STSv1", `mode: ${mode}`, ...mx.map((each) => `mx: ${each}`), `max_age: ${maxAge}`, ""].join(
    "\r\n",
  );

export async function policyHost(
  context: TestContext,
  certificate: { readonly key: string; readonly cert: string },
  body: string,
): Promise<PolicyHost> {
  let requests = 0;
  const server = createServer(certificate, (request, response) => {
    requests += 1;
    const body = host.bodies.get((request.headers.host ?? "").replace(/:.*/, ""));
    const answer = body === undefined ? host.answer : { body };
    if (answer === undefined) return;
    const { status = 200, headers = { "content-type": "text/plain" } } = answer;
    if (request.url === "/.well-known/mta-sts.txt") response.writeHead(status, headers).end(answer.body);
    else response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => {});
  await once(server, "listening");
  const host: PolicyHost = {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    answer: { body },
    bodies: new Map(),
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
  context.after(() => host.close());
  return host;
}
