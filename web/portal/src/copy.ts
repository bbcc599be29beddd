/** Copying, with an answer on the button itself. */
import { say } from './screens';

const ANSWER_MS = 2_000;

/** Copies `text`, and says so on the button for two seconds. Without a clipboard it selects the field to copy by hand. */
export function wireCopy(press: HTMLButtonElement, text: () => string, field?: HTMLInputElement): void {
  const label = press.querySelector('span') ?? press;
  const usual = label.textContent;
  let timer = 0;
  press.addEventListener('click', () => {
    void copy(text(), field).then((done) => {
      label.textContent = done ? 'Copied' : 'Press Ctrl+C';
      say(done ? 'Copied' : 'Selected. Press Ctrl+C to copy.');
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        label.textContent = usual;
      }, ANSWER_MS);
    });
  });
}

async function copy(text: string, field?: HTMLInputElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain HTTP on another host has no clipboard; a selected field still copies by hand.
    field?.focus();
    field?.select();
    return false;
  }
}
