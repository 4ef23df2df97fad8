/** What a stack says of a host that is a Docker engine. */
export interface DockerHostArgs {
  readonly type: "docker";
  /**
   * The engine: `unix:///var/run/docker.sock` (when absent), `tcp://host:2376` with `certificates`, or `ssh://user@host` as
   * your own ssh reaches it, with its keys and its configuration.
   */
  readonly address?: string;
  /** For `tcp`: the directory on this machine with ca.pem, cert.pem and key.pem. */
  readonly certificates?: string;
  /** Absolute path on the engine's host; mail, keys and configuration lie below it and outlive the stack. */
  readonly directory: string;
  /** What runs: an image by digest, or built from this checkout. */
  readonly image: DockerImageArgs;
  /** Name of the container and of its network; `mailkeep-` and the stack's name when absent. */
  readonly container?: string;
  /** The address of the host that ports are published on; all of them when absent. */
  readonly publishOn?: string;
  /** Ceiling of the server's memory, in bytes or with a unit (`1G`); none when absent. Changed without a new container. */
  readonly memoryLimit?: number | string;
  /** Programs beside the server. Each needs memory, which is checked against the host. */
  readonly sidecars?: DockerSidecars;
}

/** An image's name with its digest, or the base that this checkout's image is built on (after `npm run build:image`). */
export type DockerImageArgs =
  | { readonly reference: string }
  | {
      readonly base: string;
      /** The checkout; the project's directory when absent. */
      readonly context?: string;
    };

export interface DockerSidecars {
  /** rspamd beside the server's own filter; needs 512 MiB. */
  readonly rspamd?: SidecarSwitch;
  /** ClamAV, its signatures renewed by freshclam and kept in a volume; needs 3 GiB. */
  readonly clamav?: SidecarSwitch;
  /** A validating resolver of the host's own: block lists answer it, and DANE has what it rests on; needs 128 MiB. */
  readonly unbound?: SidecarSwitch;
}

/** true: with the image named in the guide; or another one. */
export type SidecarSwitch = boolean | { readonly image: string };
