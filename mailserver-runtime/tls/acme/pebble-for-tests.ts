/** A real certificate authority on the loopback: pebble (Let's Encrypt's, for tests), and names that all lead here. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { TestContext } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { directoryWith, freePort, hasTool, serve } from "../../dns/test-support.ts";
import { testAuthority } from "../authority-for-tests.ts";

export interface PebbleOptions {
  /** Where it looks for proofs by HTTP-01 and TLS-ALPN-01. */
  readonly httpPort?: number;
  readonly tlsPort?: number;
  /** Asked instead of a server by which every name leads to the loopback. */
  readonly dnsPort?: number;
  /** Percent of good nonces that it refuses. */
  readonly nonceReject?: number;
}

export interface Pebble {
  readonly directory: string;
  /** The certificate (PEM) of who issued that of its own HTTPS. */
  readonly frontAuthority: string;
}

/** Starts one until the test ends; undefined where it is not installed. */
export async function startPebble(t: TestContext, options: PebbleOptions): Promise<Pebble | undefined> {
  if (!hasTool(t, "pebble", "pebble")) return undefined;
  const folder = await directoryWith(t, {});
  const port = await freePort();
  const frontAuthority = await trustedFiles(t, folder);
  const at = (name: string) => path.join(folder, name);
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${await freePort()}`,
    certificate: at("cert.pem"),
    privateKey: at("key.pem"),
    httpPort: options.httpPort ?? (await freePort()),
    tlsPort: options.tlsPort ?? (await freePort()),
    ocspResponderURL: "",
    externalAccountBindingRequired: false,
  };
  await writeFile(at("pebble.json"), JSON.stringify({ pebble }));
  const dns = options.dnsPort ?? (await startNames(t));
  const directory = `https://127.0.0.1:${port}/dir`;
  const nonces = options.nonceReject ?? 0;
  await serve(
    t,
    "env",
    [
      "PEBBLE_VA_NOSLEEP=1",
      `PEBBLE_WFE_NONCEREJECT=${nonces}`,
      "pebble",
      "-config",
      at("pebble.json"),
      "-dnsserver",
      `127.0.0.1:${dns}`,
    ],
    () => answers(directory),
  );
  return { directory, frontAuthority };
}

/** A key and certificate for the loopback in the folder, by an authority that this process trusts from now on; its certificate. */
export async function trustedFiles(t: TestContext, folder: string): Promise<string> {
  const authority = await testAuthority("Pebble's front");
  const { key, cert } = await authority.issue(["127.0.0.1"]);
  await writeFile(path.join(folder, "cert.pem"), cert);
  await writeFile(path.join(folder, "key.pem"), key);
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, authority.pem]);
  t.after(() => setDefaultCACertificates(before));
  return authority.pem;
}

async function startNames(t: TestContext): Promise<number> {
  const [dns, management] = [await freePort(), await freePort()];
  const none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
  await serve(
    t,
    "pebble-challtestsrv",
    [...none, "-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${management}`],
    () => answers(`http://127.0.0.1:${management}/`),
  );
  return dns;
}

const answers = (url: string) =>
  fetch(url).then(
    () => true,
    () => false,
  );
