/**
 * Questions and answers between a page and a worker, or two workers.
 *
 * One side calls `serve` with named functions, the other holds a `Caller`. Errors cross as `{code, message}` and come
 * out as `SealiftError`. Secrets are handed over, never copied: name their buffers in `transfer`.
 */
import { SealiftError } from '../sdk/error';

interface Question { call: number; name: string; argument: unknown }
interface Answer { answer: number; value?: unknown; error?: { code: string; message: string } }

/** What a served function may return beside a plain value: the value and the buffers to hand over. */
export class Handover<T> {
  constructor(readonly value: T, readonly transfer: Transferable[]) {}
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each caller names the types it expects
type Functions = Record<string, (argument: any) => unknown>;

/** Answers every question that comes to this worker with the function of that name. */
export function serve(functions: Functions): void {
  self.addEventListener('message', async (event: MessageEvent<Question>) => {
    const { call, name, argument } = event.data ?? {};
    if (typeof call !== 'number') return;
    const reply = (answer: Answer, transfer: Transferable[] = []) =>
      (self as unknown as { postMessage(message: unknown, transfer: Transferable[]): void }).postMessage(answer, transfer);
    try {
      const result = await functions[name]!(argument);
      if (result instanceof Handover) reply({ answer: call, value: result.value }, result.transfer);
      else reply({ answer: call, value: result });
    } catch (thrown) {
      const { code, message } = SealiftError.from(thrown);
      reply({ answer: call, error: { code, message } });
    }
  });
}

/** The asking side. */
export class Caller {
  private next = 1;
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: SealiftError): void }>();

  constructor(private readonly worker: Worker) {
    worker.addEventListener('message', (event: MessageEvent<Answer>) => {
      const { answer, value, error } = event.data ?? {};
      if (typeof answer !== 'number') return;
      const waiting = this.waiting.get(answer);
      this.waiting.delete(answer);
      if (error) waiting?.reject(new SealiftError(error.code, error.message));
      else waiting?.resolve(value);
    });
    worker.addEventListener('error', () => this.fail(new SealiftError('internal')));
  }

  call<T>(name: string, argument?: unknown, transfer: Transferable[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const call = this.next++;
      this.waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage({ call, name, argument } satisfies Question, transfer);
    });
  }

  /** Hears what the worker says unasked, until the returned function is called. */
  listen<T>(hear: (message: T) => void): () => void {
    const listener = (event: MessageEvent<T>) => hear(event.data);
    this.worker.addEventListener('message', listener);
    return () => this.worker.removeEventListener('message', listener);
  }

  /** Ends the worker; whatever was asked fails with `error`. */
  end(error = new SealiftError('cancelled')): void {
    this.worker.terminate();
    this.fail(error);
  }

  private fail(error: SealiftError): void {
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
