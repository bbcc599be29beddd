/**
 * The one error of the SDK: a stable code for programs, a sentence for people, and what to do next.
 *
 * Codes are those of `relay/protocol/src/error.rs`; the browser adds a few of its own, listed here.
 */

interface Words {
  message: string;
  advice: string;
  retryable?: boolean;
}

/** What each code means and what helps. */
const WORDS: Record<string, Words> = {
  // What a person can mistype or lose.
  wrong_password: { message: 'The password does not open this package.', advice: 'Check capital letters and spaces, or ask the sender for the password.', retryable: true },
  password_needed: { message: 'This package needs a password.', advice: 'Enter the password that the sender gave you.', retryable: true },
  cut_link: { message: 'The link is cut short or was changed.', advice: 'Copy the whole link again, up to its last character, or ask the sender to send it once more.' },
  not_found: { message: 'There is no such package on this relay.', advice: 'It may have expired or been deleted. Ask the sender for a new link.' },
  expired: { message: 'This package has expired.', advice: 'Ask the sender to send it again.' },
  not_finished: { message: 'The sender has not finished sending this package.', advice: 'Wait until the sender says it is sent, then open the link again.', retryable: true },

  // What the bytes can be.
  damaged: { message: 'The stored bytes are damaged or were changed.', advice: 'Nothing was saved. Download again; if it stays so, ask the sender to send it again.' },
  cut_short: { message: 'The file ends too early.', advice: 'Download it again, whole. Nothing was saved.' },
  unsupported: { message: 'This package was made by a newer version of Sealift.', advice: 'Reload the page, or use a newer version.' },
  link_mismatch: { message: 'The relay gave a package other than the one in the link.', advice: 'Do not use it. Ask the sender, and tell whoever runs the relay.' },

  // What can happen on the way.
  network: { message: 'The relay cannot be reached.', advice: 'Check the connection. It goes on by itself when the connection is back.', retryable: true },
  not_allowed: { message: 'This relay does not allow sending without permission.', advice: 'Ask whoever runs the relay for a send link.' },
  source_changed: { message: 'A file changed while it was being sent.', advice: 'Nothing of it is kept. Close programs that write to it, then send again.' },
  source_unreadable: { message: 'A file could not be read.', advice: 'Check that it still exists and may be read, then send again.' },
  superseded: { message: 'Another window took over this transfer.', advice: 'Go on there. This window has stopped.' },
  session_busy: { message: 'This package is being sent from another window.', advice: 'Close the other window, or take the transfer over here.', retryable: true },
  cancelled: { message: 'Cancelled.', advice: 'Start again whenever you like.', retryable: true },

  // What this browser or computer can or cannot.
  no_wasm: { message: 'This browser cannot run WebAssembly, which seals the files.', advice: 'Use a current Firefox, Chrome, Edge or Safari, or the sealift command line. Nothing was sent.' },
  no_workers: { message: 'This browser cannot start background workers, which seal the files.', advice: 'Use a current Firefox, Chrome, Edge or Safari, or the sealift command line. Nothing was sent.' },
  no_randomness: { message: 'This browser has no secure random numbers, without which nothing can be sealed.', advice: 'Use a current Firefox, Chrome, Edge or Safari, or the sealift command line. Nothing was sent.' },
  broken_assets: { message: 'A part of this page is missing or was changed on its way.', advice: 'Reload the page. If it stays so, tell whoever runs the relay.' },
  out_of_memory: { message: 'There is not enough memory for this password check.', advice: 'Close other tabs, or use the sealift command line.', retryable: true },
  cannot_save: { message: 'The file could not be saved.', advice: 'Check that there is room and that the folder may be written, then try again.', retryable: true },
  too_big_to_save: { message: 'This browser can save at most 256 MiB from here.', advice: 'Use Chrome, Edge or Firefox, or the sealift command line: sealift decrypt.' },
  bad_name: { message: 'A file has a name that cannot be sent.', advice: 'Names and paths are limited to 1,024 bytes. Rename it and send again.' },
  too_many_files: { message: 'Too many files for one package.', advice: 'Send them as one archive, or in several packages.' },
  empty_package: { message: 'There is nothing to send.', advice: 'Add a file or a folder first.' },
  internal: { message: 'Something unexpected happened.', advice: 'Reload the page and try again. If it stays so, report it.' },
};

/** An error with a stable `code`, a `message` saying what happened, and `advice` saying what to do. */
export class SealiftError extends Error {
  readonly code: string;
  readonly advice: string;
  /** Whether trying the same again can succeed. */
  readonly retryable: boolean;

  constructor(code: string, message?: string, options?: { cause?: unknown; advice?: string }) {
    const words = WORDS[code] ?? WORDS['internal']!;
    super(message || words.message, { cause: options?.cause });
    this.name = 'SealiftError';
    this.code = code;
    this.advice = options?.advice ?? words.advice;
    this.retryable = words.retryable ?? false;
  }

  /** Any thrown thing as a SealiftError: errors with a `code` (as the WASM throws them) keep it. */
  static from(thrown: unknown, fallback = 'internal'): SealiftError {
    if (thrown instanceof SealiftError) return thrown;
    const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
    if (typeof code === 'string' && code) {
      return new SealiftError(code, typeof message === 'string' ? message : undefined, { cause: thrown });
    }
    return new SealiftError(fallback, undefined, { cause: thrown });
  }
}
