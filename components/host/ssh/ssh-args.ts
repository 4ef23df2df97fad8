/** A machine by ssh, as a program declares it. */
import type * as pulumi from "@pulumi/pulumi";

/** How a machine is logged in at, by `type`. */
export type SshAuthentication =
  | {
      readonly type: "agent";
      /** The agent's socket; SSH_AUTH_SOCK when absent. */
      readonly socket?: pulumi.Input<string>;
    }
  | {
      readonly type: "key";
      /** The private key's text, secret. Either this or `file`. */
      readonly privateKey?: pulumi.Input<string>;
      /** A private key's file on the machine that deploys; only its path is kept in the state. */
      readonly file?: pulumi.Input<string>;
      /** What the key is encrypted with, secret. */
      readonly passphrase?: pulumi.Input<string>;
    }
  | { readonly type: "password"; readonly password: pulumi.Input<string> };

/** A machine whose sshd answers. */
export interface SshReach {
  /** Its name or IP address. */
  readonly address: pulumi.Input<string>;
  /** 22 when absent. */
  readonly port?: pulumi.Input<number>;
  /** root when absent; another one becomes root by sudo. */
  readonly user?: pulumi.Input<string>;
  /** The key it must show: `SHA256:...` or `ssh-ed25519 AAAA...`. */
  readonly hostKey: pulumi.Input<string>;
  /** How to log in; by the ssh agent when absent. */
  readonly auth?: SshAuthentication;
}

/** What it takes to administer a machine by ssh. */
export interface SshConnectionArgs extends SshReach {
  /** A machine that the connection goes through. */
  readonly jump?: SshReach;
  /** What sudo asks a user for who is not root, secret. */
  readonly sudoPassword?: pulumi.Input<string>;
  /** Where the server's data lies there; `/var/lib/mailkeep` when absent. */
  readonly directory?: pulumi.Input<string>;
}
