/** The password estimator, in a worker of its own: its word lists are large and its thinking takes time. */
import { generate, initSync, refusal, strength } from '../wasm/sealift_strength';
import { serve } from './calls';

serve({
  start(module: WebAssembly.Module) {
    initSync({ module });
  },
  strength(password: string) {
    const verdict = strength(password);
    const { guessesLog2, score, warning, suggestions } = verdict;
    verdict.free();
    return { guessesLog2, score, warning, suggestions };
  },
  refusal: ({ password, rule }: { password: string; rule: string }) => refusal(password, rule),
  generate,
});
