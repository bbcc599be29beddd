/** The few lines that stand in for a framework: typed look-ups, element building with text only, never markup. */

/** The element with this id, checked to be of the kind the caller expects. */
export function byId<E extends Element>(id: string, kind: abstract new (...args: never[]) => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

export const button = (id: string): HTMLButtonElement => byId(id, HTMLButtonElement);
export const input = (id: string): HTMLInputElement => byId(id, HTMLInputElement);
export const part = (id: string): HTMLElement => byId(id, HTMLElement);

/** A new element with classes and children; strings become text nodes. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  classes = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  made.append(...children);
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';

/** One of the symbols of parts/icons.html, hidden from screen readers: words always stand beside it. */
export function icon(name: string, extra = ''): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', `icon ${extra}`.trim());
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Sets text only when it differs, so that numbers that stand still cause no layout and no announcement. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides a field's problem and marks the field for screen readers. */
export function setProblem(field: HTMLElement, problem: HTMLElement, text: string): void {
  problem.hidden = text === '';
  setText(problem.querySelector('span') ?? problem, text);
  if (text) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
}

/** Gives the browser a turn, so that long work never blocks a key press. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
