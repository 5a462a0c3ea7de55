// A queue between one who puts and one who takes: taking waits until something is there.

export interface Mailbox<T> {
  readonly put: (item: T) => void;
  readonly take: () => Promise<T>;
}

export function createMailbox<T>(): Mailbox<T> {
  const items: T[] = [];
  let waiting: ((item: T) => void) | undefined;
  return {
    put: (item) => {
      const hand = waiting;
      waiting = undefined;
      if (hand) hand(item);
      else items.push(item);
    },
    take: () => (items.length > 0 ? Promise.resolve(items.shift() as T) : new Promise((resolve) => (waiting = resolve))), // its length was looked at
  };
}
