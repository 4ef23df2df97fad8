/** A spam filter beside ours: taught and asked in its own way, with its own rules and thresholds. */
export interface SpamJudge {
  readonly name: string;
  /** Why it cannot run here, or undefined. */
  missing(): string | undefined;
  version(): string;
  /** Starts it knowing nothing in `directory` (empty, its own), and resolves when it answers. */
  start(directory: string): Promise<RunningJudge>;
}
export interface RunningJudge {
  /** Teaches it messages in the order they arrived. */
  learn(messages: readonly { readonly spam: boolean; readonly bytes: Buffer }[]): Promise<void>;
  /** Whether the message would be marked or refused. */
  isSpam(bytes: Buffer): Promise<boolean>;
  stop(): Promise<void>;
}
