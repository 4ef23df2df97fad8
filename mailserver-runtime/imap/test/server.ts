/** An IMAP server on loopback for real clients, over any store. */
import { createSecureContext } from "node:tls";
import type { Authenticator } from "../../auth/authenticator.ts";
import { listen } from "../../net/listen.ts";
import { silentLog } from "../../net/log.ts";
import { testCertificate } from "../../net/test-certificate.ts";
import type { MailStore } from "../../store/mail-store.ts";
import { serveImap } from "../serve.ts";
import type { ImapDependencies } from "../session.ts";

export const USER = "anna@example.org";
export const PASSWORD = "correct horse";

/** Knows one password for everybody. */
export const testAuthenticator: Authenticator = {
  async verify({ username, password }) {
    return password === PASSWORD
      ? { ok: true, account: username.toLowerCase() }
      : { ok: false, reason: "credentials" };
  },
  async close() {},
};

export interface TestServer {
  readonly port: number;
  /** PEM, for clients that want to know it. */
  readonly certificate: string;
  close(): Promise<void>;
}

export async function startTestServer(
  store: MailStore,
  options: Partial<ImapDependencies> & { readonly implicitTls?: boolean } = {},
): Promise<TestServer> {
  const { implicitTls = true, ...dependencies } = options;
  const pair = testCertificate("localhost");
  const context = createSecureContext(pair);
  const listening = await listen({
    listener: {
      protocol: implicitTls ? "imaps" : "imap",
      address: "127.0.0.1",
      port: 0,
      proxyProtocol: [],
    },
    tls: { context: () => context },
    log: silentLog,
    onConnection: (connection) =>
      serveImap(connection, {
        store,
        authenticator: testAuthenticator,
        hostname: "mail.example",
        log: silentLog,
        limits: { failedLoginDelay: 10 },
        ...dependencies,
      }),
  });
  return { port: listening.port, certificate: pair.cert, close: () => listening.close(200) };
}
