/** There at once, or later: a call asks for a dozen things that are known nearly always, and a promise for each would be waste. */
export type MaybePromise<T> = T | Promise<T>;
