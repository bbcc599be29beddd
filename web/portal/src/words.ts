/** Sizes, times, dates and names as a person reads them. Everything on the pages passes through here. */

/* Written out rather than by `Intl`: its first use costs tens of milliseconds, and the pages speak English only. */
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** "1.2 GB", in powers of ten as file managers of today show them. `still` keeps one decimal so that a number in motion does not jump in width. */
export function bytes(count: number, still = false): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return count === 1 ? '1 byte' : `${Math.round(value)} bytes`;
  const text = value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
  return `${still ? text : text.replace('.0', '')} ${UNITS[unit]}`;
}

/** "2,000 files", "1 file". */
export function count(number: number, one: string, many = `${one}s`): string {
  const grouped = String(number).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${grouped} ${number === 1 ? one : many}`;
}

/** "about 2 minutes", coarse on purpose: a guess should not look like a promise. */
export function timeLeft(seconds: number): string {
  if (seconds < 3) return 'a moment';
  if (seconds < 10) return 'a few seconds';
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} seconds`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${count(Math.max(1, minutes), 'minute')}`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `about ${count(Math.round(hours / 24), 'day')}`;
  const rest = Math.round((minutes % 60) / 10) * 10;
  if (rest === 60) return `about ${count(hours + 1, 'hour')}`;
  return rest === 0 || hours >= 10 ? `about ${count(hours, 'hour')}` : `about ${hours} h ${rest} min`;
}

/** "7 days", "12 hours": the choices of how long a package is kept. */
export function span(seconds: number): string {
  if (seconds % 86_400 === 0) return count(seconds / 86_400, 'day');
  if (seconds % 3_600 === 0) return count(seconds / 3_600, 'hour');
  return count(Math.round(seconds / 60), 'minute');
}

/** "Tuesday, 1 December 2026 at 21:00", in the person's own time zone. */
export function date(when: Date): string {
  const day = `${DAYS[when.getDay()]}, ${when.getDate()} ${MONTHS[when.getMonth()]} ${when.getFullYear()}`;
  return `${day} at ${two(when.getHours())}:${two(when.getMinutes())}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

/**
 * A name safe to show: control characters and those that reverse the direction of writing become visible marks, so that
 * `photo<RLO>gpj.exe` cannot pass for a picture. The browser keeps the rest apart with `<bdi>`.
 */
export function shownName(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff]/gu, '\ufffd');
}

/** Characters of a name that two lines of a narrow screen hold, and how many of them are its end. */
const FITTED = 48;
const FITTED_END = 16;

/** The same, short enough for a list. Its end stays: what kind of file it is stands there. */
export function fittedName(name: string): string {
  const all = [...shownName(name)];
  return all.length <= FITTED ? all.join('') : `${all.slice(0, FITTED - FITTED_END - 1).join('')}…${all.slice(-FITTED_END).join('')}`;
}

/** The same for text of several lines: only what reverses the direction of writing is marked. */
export function shownText(text: string): string {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** "3 files" or "1 folder" for a package that may hold only empty folders. */
export function amount(files: number, folders: number): string {
  if (files === 0 && folders > 0) return count(folders, 'empty folder');
  return count(files, 'file');
}
