/** Fields that are not filled in right: what is wrong is said beside the field and aloud, and the keyboard goes there. */
import { passwordRefusal, SealiftError } from '../../src/sdk';
import { setProblem } from './dom';
import { say } from './screens';

/** Whether a password passes the relay's rule; if not it is said at its field. */
export async function checkStrength(field: HTMLInputElement, problem: HTMLElement, rule: string | null): Promise<boolean> {
  const refusal = rule === null ? '' : await passwordRefusal(field.value, rule);
  if (refusal === '') return true;
  const error = new SealiftError('weak_password');
  refuse(field, problem, `${error.message} ${refusal}`, error.code);
  return false;
}

/** Points out what is wrong with a field. */
export function refuse(field: HTMLInputElement, problem: HTMLElement, text: string, code = ''): null {
  setProblem(field, problem, text);
  field.focus();
  say(code ? `${text} (${code})` : text);
  return null;
}
