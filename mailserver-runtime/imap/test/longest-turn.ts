/**
 * How long the event loop's longest turn is, in processor time of its thread: what others had to wait for if the machine did
 * nothing else. The clock would measure what else the machine does as well.
 */
export interface TurnWatch {
  /** Ends watching; milliseconds of the longest turn. */
  end(): number;
}

/** Watches every turn from now on; nothing else than what is measured should run in this thread. */
export function watchTurns(): TurnWatch {
  let longest = 0;
  let before = threadMilliseconds();
  let isOver = false;
  const look = (): void => {
    const now = threadMilliseconds();
    longest = Math.max(longest, now - before);
    before = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  return {
    end() {
      isOver = true;
      return longest;
    },
  };
}

function threadMilliseconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
