/**
 * Every state of every page, and how to get there with the made-up SDK. The browser tests reach the same states with the
 * real one (the README says how); this list is for looking at them while designing.
 */
export interface State {
  name: string;
  address: string;
  /** What to do after the page has loaded, in order. */
  steps?: Step[];
}

/** `files` fills the hidden file input (names with sizes in bytes); `fill` types; `press` clicks by accessible name. */
export type Step = { files: [name: string, bytes: number][] } | { fill: [label: string, text: string] } | { press: string } | { choose: string } | { pause: number };

const FILES: Step = { files: [['Contract 2026 – final.pdf', 1_834_201], ['Site visit.mov', 9_214_000], ['ground floor.dwg', 481_204]] };
const PASSWORD: Step[] = [{ fill: ['Password', 'correct horse battery'] }, { fill: ['Repeat password', 'correct horse battery'] }];
const SEND: Step[] = [FILES, ...PASSWORD, { press: 'Send' }];
const OPEN: Step[] = [{ fill: ['Password', 'right'] }, { press: 'Open' }];
const LOCAL: Step = { files: [['harbour.sealift', 3_000_000]] };

export const STATES: State[] = [
  { name: 'send-empty', address: '/' },
  { name: 'send-ready', address: '/', steps: [FILES, { fill: ['Password', 'correct horse'] }, { fill: ['Title', 'Plans for the harbour office'] }] },
  { name: 'send-generated', address: '/', steps: [FILES, { press: 'Generate' }, { pause: 400 }] },
  { name: 'send-no-password', address: '/', steps: [FILES, { choose: 'No password' }] },
  { name: 'send-passwords-differ', address: '/', steps: [FILES, { fill: ['Password', 'abc'] }, { fill: ['Repeat password', 'abd'] }, { press: 'Send' }, { pause: 400 }] },
  { name: 'send-deriving', address: '/?state=deriving', steps: SEND },
  { name: 'send-sending', address: '/?state=sending', steps: [...SEND, { pause: 500 }] },
  { name: 'send-fallback', address: '/?state=fallback', steps: [...SEND, { pause: 500 }] },
  { name: 'send-paused', address: '/?state=paused', steps: [...SEND, { pause: 500 }] },
  { name: 'send-waiting', address: '/?state=waiting', steps: [...SEND, { pause: 500 }] },
  { name: 'send-busy', address: '/?state=session_busy', steps: [...SEND, { pause: 500 }] },
  { name: 'send-finishing', address: '/?state=finishing', steps: [...SEND, { pause: 500 }] },
  { name: 'send-cancelled', address: '/?state=sending', steps: [...SEND, { pause: 300 }, { press: 'Cancel' }] },
  { name: 'send-sent', address: '/', steps: [...SEND, { pause: 700 }, { press: 'Show QR code' }, { press: 'Manage link' }] },
  { name: 'send-source-changed', address: '/?state=file_changed', steps: [...SEND, { pause: 400 }] },
  { name: 'send-superseded', address: '/?state=superseded', steps: [...SEND, { pause: 400 }] },
  { name: 'send-not-allowed', address: '/?state=not_allowed' },
  { name: 'send-no-wasm', address: '/?state=environment_unsupported' },
  { name: 'send-keys', address: '/', steps: [FILES, { choose: 'With people’s keys' }, { fill: ['Recipients', 'sealift1qqqq'] }, { pause: 500 }] },
  { name: 'send-keys-bad', address: '/', steps: [FILES, { choose: 'With people’s keys' }, { fill: ['Recipients', 'nonsense'] }, { pause: 500 }] },
  { name: 'send-required', address: '/?state=required', steps: [FILES, { fill: ['Password', 'abc'] }, { fill: ['Repeat password', 'abc'] }, { press: 'Send' }, { pause: 400 }] },
  { name: 'send-off', address: '/?state=off', steps: [FILES, { pause: 200 }] },
  { name: 'send-policy-changed', address: '/?state=password_required', steps: [...SEND, { pause: 400 }] },
  { name: 'send-outdated', address: '/?state=outdated', steps: [{ pause: 200 }] },
  { name: 'send-too-old', address: '/?state=client_too_old', steps: [{ pause: 200 }] },
  { name: 'receive-loading', address: '/p/x?state=loading#f' },
  { name: 'receive-locked', address: '/p/x#f' },
  { name: 'receive-identity', address: '/p/x?state=identity#f' },
  { name: 'receive-both', address: '/p/x?state=both#f' },
  { name: 'receive-report', address: '/p/x#f', steps: [...OPEN, { pause: 300 }, { press: 'Protection report' }, { pause: 200 }] },
  { name: 'receive-unlocking', address: '/p/x?state=unlocking#f', steps: [...OPEN, { pause: 200 }] },
  { name: 'receive-wrong-password', address: '/p/x#f', steps: [{ fill: ['Password', 'wrong'] }, { press: 'Open' }, { pause: 200 }] },
  { name: 'receive-contents', address: '/p/x#f', steps: [...OPEN, { pause: 300 }, { press: 'Site visit' }] },
  { name: 'receive-selection', address: '/p/x#f', steps: [...OPEN, { pause: 300 }, { choose: 'Select Site visit' }] },
  { name: 'receive-untitled', address: '/p/x?state=untitled#f', steps: [{ pause: 300 }] },
  { name: 'receive-many', address: '/p/x?state=many#f', steps: [...OPEN, { pause: 600 }] },
  { name: 'receive-downloading', address: '/p/x?state=downloading#f', steps: [...OPEN, { press: 'Download all' }, { pause: 500 }] },
  { name: 'receive-verifying', address: '/p/x?state=verifying#f', steps: [...OPEN, { press: 'Download all' }, { pause: 500 }] },
  { name: 'receive-received', address: '/p/x#f', steps: [...OPEN, { press: 'Download all' }, { pause: 500 }] },
  { name: 'receive-damaged', address: '/p/x?state=damaged_content#f', steps: [...OPEN, { press: 'Download all' }, { pause: 300 }] },
  { name: 'receive-cut-short', address: '/p/x?state=cut_short#f', steps: [...OPEN, { press: 'Download all' }, { pause: 300 }] },
  { name: 'receive-no-fragment', address: '/p/x' },
  { name: 'receive-cut-link', address: '/p/x?state=load_cut_link#f' },
  { name: 'receive-not-found', address: '/p/x?state=load_not_found#f' },
  { name: 'receive-expired', address: '/p/x?state=load_expired#f' },
  { name: 'receive-not-finished', address: '/p/x?state=load_not_complete#f' },
  { name: 'receive-network', address: '/p/x?state=load_network_lost#f' },
  { name: 'open-choose', address: '/open' },
  { name: 'open-link-needed', address: '/open?state=link_needed', steps: [LOCAL, { pause: 200 }] },
  { name: 'open-locked', address: '/open', steps: [LOCAL, { pause: 200 }] },
  { name: 'open-contents', address: '/open', steps: [LOCAL, { pause: 200 }, ...OPEN, { pause: 300 }] },
  { name: 'open-missing', address: '/open?state=missing', steps: [LOCAL, { pause: 200 }, ...OPEN, { pause: 300 }] },
  { name: 'open-cut-short', address: '/open?state=load_cut_short', steps: [LOCAL, { pause: 200 }] },
  { name: 'open-too-big', address: '/open?state=too_large_here', steps: [LOCAL, { pause: 200 }, ...OPEN, { press: 'Download all' }, { pause: 300 }] },
  { name: 'manage', address: '/manage/x#f' },
  { name: 'manage-changed', address: '/manage/x?state=changed#f' },
  { name: 'manage-keys-only', address: '/manage/x?state=identity#f' },
  { name: 'manage-change', address: '/manage/x?state=changed#f', steps: [{ press: 'Change password' }, { pause: 200 }] },
  { name: 'manage-change-by-link', address: '/manage/x?state=by_link#f', steps: [{ press: 'Change password' }, { pause: 200 }] },
  { name: 'manage-undo', address: '/manage/x?state=changed#f', steps: [{ press: 'Undo the last change' }] },
  { name: 'manage-confirm', address: '/manage/x#f', steps: [{ press: 'Delete package' }] },
  { name: 'manage-deleted', address: '/manage/x#f', steps: [{ press: 'Delete package' }, { press: 'Delete' }, { pause: 200 }] },
  { name: 'unknown', address: '/unknown.html' },
];
