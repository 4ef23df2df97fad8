/** What a stack says of its certificates. */

/** Who issues the certificates, by `type`. */
export type CertificateArgs = LocalCertificateArgs | AcmeCertificateArgs;

/** An authority of the host's own; clients are told to trust its certificate. */
export interface LocalCertificateArgs {
  readonly type: "local-ca";
}

/** An authority by ACME (RFC 8555). The host orders and renews; the first issue is waited for. */
export interface AcmeCertificateArgs {
  readonly type: "acme";
  /** The authority's directory; Let's Encrypt's when absent. */
  readonly directory?: string;
  /** Where the authority may write to. */
  readonly email?: string;
  /** How control of the names is proven; `{type: "http-01"}` when absent. */
  readonly challenge?: ChallengeArgs;
  /** Certificates (PEM) that the directory's own HTTPS is trusted by, beside the usual ones: for an authority of one's own. */
  readonly directoryAuthorities?: string;
  /** Kinds of keys, a certificate for each: `["ecdsa", "rsa"]` serves clients of any age; `["ecdsa"]` when absent. */
  readonly keyTypes?: readonly ("ecdsa" | "rsa")[];
}

/** A way to prove control of a name, by `type`. */
export type ChallengeArgs =
  /** The authority reaches the `http` listener at port 80. */
  | { readonly type: "http-01" }
  /** The authority reaches the `https` listener at port 443 (RFC 8737). */
  | { readonly type: "tls-alpn-01" }
  /** A TXT record; needs no port. Its secret stands in `tokens.acme`. */
  | {
      readonly type: "dns-01";
      readonly publisher: ChallengePublisherArgs;
      /** Seconds that secondaries get to fetch the record; 20 when absent. */
      readonly settleSeconds?: number;
    };

/** Who puts the record of DNS-01 into its zone, by `type`. A CNAME at `_acme-challenge.<name>` is followed into the zone it leads to. */
export type ChallengePublisherArgs =
  | {
      readonly type: "rfc2136";
      /** Address of the zone's primary. */
      readonly server: string;
      /** 53 when absent. */
      readonly port?: number;
      /** The zone that has the record. */
      readonly zone: string;
      /** The TSIG key; its secret, in Base64, is `tokens.acme`. */
      readonly key?: {
        readonly name: string;
        readonly algorithm: "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
      };
    }
  | {
      readonly type: "cloudflare";
      /** Of the zone that has the record; `tokens.acme` needs Zone.DNS edit for it alone. */
      readonly zoneId: string;
      /** Another address of the API, for tests. */
      readonly endpoint?: string;
    };
