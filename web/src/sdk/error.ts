/**
 * The one error of the SDK: a stable code for programs, a sentence for people, and what to do next.
 *
 * Codes and sentences are those of the relay and the command line.
 */
import { CODES } from '../generated/codes';

/** An error with a stable `code`, a `message` saying what happened, and `advice` saying what to do. */
export class SealiftError extends Error {
  readonly code: string;
  readonly advice: string;
  /** Whether trying the same again can succeed. */
  readonly retryable: boolean;

  /** `text` replaces the code's own sentences: the first one becomes the message, the others the advice. */
  constructor(code: string, text?: string, options?: { cause?: unknown }) {
    const [retryable, sentence] = CODES[Object.hasOwn(CODES, code) ? code : 'unknown']!;
    const { first, rest } = split(sentence);
    const own = text ? split(text) : null;
    super(own?.first ?? first, options);
    this.name = 'SealiftError';
    this.code = code;
    this.advice = own?.rest || rest;
    this.retryable = retryable;
  }

  /** The same error, saying which file it is about. */
  about(path: string): SealiftError {
    return new SealiftError(this.code, `${this.message.replace(/[.:]$/, '')}: ${path}\n${this.advice}`, { cause: this });
  }

  /** Any thrown thing as a SealiftError: errors with a `code` (as the WebAssembly throws them) keep it. */
  static from(thrown: unknown, fallback = 'internal'): SealiftError {
    if (thrown instanceof SealiftError) return thrown;
    const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
    if (typeof code === 'string' && Object.hasOwn(CODES, code)) {
      return new SealiftError(code, typeof message === 'string' ? message : undefined, { cause: thrown });
    }
    if (fallback !== 'internal') return new SealiftError(fallback, undefined, { cause: thrown });
    console.error(thrown); // a bug of ours: whoever reports it needs to see where
    return new SealiftError(fallback, 'Something unexpected happened. Reload the page and try again; if it happens again, report it.', { cause: thrown });
  }
}

/** The first sentence (or line), and what follows it. */
function split(text: string): { first: string; rest: string } {
  const end = /\n|[.:] (?=[A-Z])/.exec(text);
  if (!end) return { first: text, rest: '' };
  return { first: text.slice(0, end.index + (end[0] === '\n' ? 0 : 1)), rest: text.slice(end.index + end[0].length) };
}
