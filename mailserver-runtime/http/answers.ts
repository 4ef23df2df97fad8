/**
 * What the HTTP listeners answer: one table of resources, each a pure function of the request and the server's facts.
 * Everything else is 404; nothing here needs a login, and nothing here tells more than a mail client may know.
 */
import { autoconfigXml } from "./autoconfig.ts";
import { autodiscoverJson, autodiscoverXml } from "./autodiscover.ts";
import { mobileConfig } from "./mobile-config.ts";
import type { WebFacts } from "./web-facts.ts";

export interface Request {
  readonly method: string;
  /** Host header without its port, lower case. */
  readonly host: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** The client's address. */
  readonly client: string;
  readonly secure: boolean;
}
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}
interface Resource {
  readonly methods: readonly string[];
  readonly path: RegExp;
  answer(
    request: Request,
    facts: WebFacts,
    match: RegExpExecArray,
  ): Promise<Answer | undefined> | Answer | undefined;
}

const GET = ["GET", "HEAD"];
const text = "text/plain; charset=utf-8";
const notFound: Answer = { status: 404, type: text, body: "There is nothing here.\n" };

const resources: readonly Resource[] = [
  {
    // RFC 8555 §8.3
    methods: GET,
    path: /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]+)$/,
    async answer(_request, facts, [, token]) {
      const proof = await facts.proof(token!);
      return proof === undefined ? undefined : { status: 200, type: "application/octet-stream", body: proof };
    },
  },
  {
    // RFC 8461 §3.3: by the policy host's own name alone, and by HTTPS; a proxy that ended the TLS comes in plain.
    methods: GET,
    path: /^\/\.well-known\/mta-sts\.txt$/,
    answer({ host }, facts) {
      if (!host.startsWith("mta-sts.")) return undefined;
      const policy = facts.policy(host.slice("mta-sts.".length));
      return policy === undefined ? undefined : { status: 200, type: "text/plain", body: policy };
    },
  },
  {
    methods: GET,
    path: /^(?:\/mail\/config-v1\.1\.xml|\/\.well-known\/autoconfig\/mail\/config-v1\.1\.xml)$/,
    answer({ host, query }, facts) {
      const domain = domainOf(query.get("emailaddress"), host, "autoconfig.", facts);
      return domain === undefined
        ? undefined
        : { status: 200, type: "application/xml; charset=utf-8", body: autoconfigXml(domain, facts.offer()) };
    },
  },
  {
    methods: ["POST"],
    path: /^\/autodiscover\/autodiscover\.xml$/i,
    answer: ({ body }, facts) => ({
      status: 200,
      type: "application/xml; charset=utf-8",
      body: autodiscoverXml(body, (domain) => facts.serves(domain), facts.offer()),
    }),
  },
  {
    methods: GET,
    path: /^\/autodiscover\/autodiscover\.json(?:\/v1\.0\/([^/]{1,320}))?$/i,
    answer({ host, query }, facts, [, address]) {
      const { status, body } = autodiscoverJson(query.get("Protocol") ?? query.get("protocol"), host);
      const email = address ?? query.get("Email") ?? query.get("email") ?? undefined;
      if (email !== undefined && domainOf(decoded(email), host, "autodiscover.", facts) === undefined)
        return undefined;
      return { status, type: "application/json", body };
    },
  },
  {
    methods: GET,
    path: /^\/(?:\.well-known\/)?(?:apple|mail)\.mobileconfig$/,
    answer({ query, secure }, facts) {
      const address = query.get("emailaddress") ?? query.get("email") ?? "";
      const domain = domainOf(address, "", "", facts);
      if (domain === undefined) return undefined;
      // Who could change it on its way would have the mail.
      if (!secure && !facts.behindProxy) return { status: 403, type: text, body: "By HTTPS only.\n" };
      return {
        status: 200,
        type: "application/x-apple-aspen-config",
        body: mobileConfig(address, facts.offer()),
        headers: { "content-disposition": `attachment; filename="${domain}.mobileconfig"` },
      };
    },
  },
  {
    methods: GET,
    path: /^\/metrics$/,
    answer({ client }, facts) {
      // As if it were not there: nobody outside learns that it is.
      if (!facts.mayReadMetrics(client)) return undefined;
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: facts.metrics() };
    },
  },
];

export async function answerTo(request: Request, facts: WebFacts): Promise<Answer> {
  for (const resource of resources) {
    const match = resource.path.exec(request.path);
    if (match === null) continue;
    if (!resource.methods.includes(request.method)) {
      const allow = resource.methods.join(", ");
      return { status: 405, type: text, body: `Use ${allow}.\n`, headers: { allow } };
    }
    return (await resource.answer(request, facts, match)) ?? notFound;
  }
  return notFound;
}

/** The domain that is asked about: the address's, else the host's below its label; undefined where it is not ours. */
function domainOf(address: string | null, host: string, label: string, facts: WebFacts): string | undefined {
  const at = address?.lastIndexOf("@") ?? -1;
  const domain = (
    at >= 0 ? address!.slice(at + 1) : host.startsWith(label) ? host.slice(label.length) : host
  ).toLowerCase();
  return facts.serves(domain) ? domain : undefined;
}

function decoded(component: string): string {
  try {
    return decodeURIComponent(component);
  } catch {
    return component;
  }
}
