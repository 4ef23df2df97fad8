import * as pulumi from "@pulumi/pulumi";
import type { DkimAlgorithm } from "./dkim-key.ts";

export interface DkimKeysArgs {
  /** The domain they sign for. */
  readonly domain: pulumi.Input<string>;
  /** Kinds of keys, a signature by each: one RSA and one Ed25519 at most; `["rsa-2048"]` when absent. */
  readonly algorithms?: pulumi.Input<pulumi.Input<DkimAlgorithm>[]>;
  /** Selectors of the first keys; `mk1` and `mk2` when absent. A third one, the next number, takes turns with them. */
  readonly first?: pulumi.Input<{ current: pulumi.Input<string>; next: pulumi.Input<string> }>;
}

/** A key as the DNS is to publish it. */
export interface PublishedDkimKey {
  /** `<selector>._domainkey.<domain>`. */
  readonly selector: string;
  /** Signs now, will sign after the next rotation, signed what may still be under way, or is revoked. */
  readonly role: "current" | "next" | "retired" | "revoked";
  readonly algorithm: DkimAlgorithm;
  /** Base64: SubjectPublicKeyInfo for RSA, the key's 32 octets for Ed25519 (RFC 8463); empty where it is revoked. */
  readonly publicKey: string;
}

/**
 * The DKIM keys of a domain, made on the host, which rotates them: the one that signs and the one that follows are published
 * from the first `up` on. What their records say changes with a rotation's phases, their names never do; a preview shows it, with what comes next and
 * when. Its id for an import is the domain.
 */
export class DkimKeys extends pulumi.CustomResource {
  declare readonly domain: pulumi.Output<string>;
  declare readonly algorithms: pulumi.Output<DkimAlgorithm[]>;
  /** What the DNS is to publish. */
  declare readonly keys: pulumi.Output<PublishedDkimKey[]>;
  /** The URN that owns the keys on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: DkimKeysArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:DkimKeys",
      name,
      { algorithms: undefined, first: undefined, ...args, keys: undefined, owner: undefined },
      options,
    );
  }
}
