/**
 * The Open page: `.sealift` files on this computer, without network. It also runs as one saved HTML file from `file://`.
 */
import { checkEnvironment, openFiles, SealiftError, type Package } from '../../src/sdk';
import { wireChoosing } from './choose';
import { ContentsView } from './contents';
import { byId, input, part, setProblem } from './dom';
import { showFailure } from './failure';
import { unlock } from './lock';
import { wireMakeKey } from './make-key';
import { say, showScreen, shownScreen } from './screens';
import * as words from './words';

const offline = location.protocol === 'file:' || 'offline' in document.documentElement.dataset;

/** Errors that the link field can answer, shown there instead of on a screen of their own. */
const ABOUT_THE_LINK = new Set(['link_needed', 'wrong_link', 'cut_link', 'bad_link', 'pin_mismatch']);

let chosen: File[] = [];
/** What was opened last: its keys are forgotten when something else is opened. */
let opened: Package | null = null;

async function open(): Promise<void> {
  part('reading').hidden = false;
  say('Reading');
  const link = input('link').value.trim();
  try {
    opened?.close();
    opened = null;
    const pkg = await openFiles(chosen, link ? { link } : {});
    opened = pkg;
    const name = chosen.length === 1 && chosen[0] ? `“${words.shownName(chosen[0].name)}”` : words.count(chosen.length, 'file');
    const contents = await unlock(pkg, {
      title: 'This package is sealed',
      lead: `${name}, ${words.bytes(pkg.storedBytes)}.`,
    });
    new ContentsView(pkg, contents, { keepEncrypted: false }).show();
  } catch (thrown) {
    const error = SealiftError.from(thrown);
    const wrongLink = error.code === 'package_mismatch' && link !== '' && chosen.length === 1;
    if (wrongLink) askForLink(new SealiftError('wrong_link'));
    else if (ABOUT_THE_LINK.has(error.code)) askForLink(error);
    else showFailure(error, { back: { label: 'Choose other files', act: choose } });
  } finally {
    part('reading').hidden = true;
  }
}

function choose(): void {
  chosen = [];
  showScreen('choose-screen');
}

/** Stays with the chosen files: once the link is pasted they open. */
function askForLink(error: SealiftError): void {
  showScreen('choose-screen');
  byId('with-link', HTMLDetailsElement).open = true;
  setProblem(input('link'), part('link-problem'), `${error.message} ${error.advice}`);
  input('link').focus();
  input('link').select();
  say(`${error.message} ${error.advice} (${error.code})`);
}

function start(): void {
  if (offline) {
    document.documentElement.dataset['offline'] = '';
    document.querySelector('.brand')?.removeAttribute('href');
  }
  part('save-page').hidden = offline;
  const missing = checkEnvironment();
  if (missing) return showFailure(missing);
  wireChoosing({
    take: ({ files }) => {
      if (files.length === 0) return;
      chosen = files.map(({ file }) => file);
      void open();
    },
    failed: (error) => showFailure(error, { back: { label: 'Choose other files', act: choose } }),
    welcome: () => shownScreen() !== 'progress-screen',
  });
  wireMakeKey();
  input('link').addEventListener('input', () => setProblem(input('link'), part('link-problem'), ''));
  byId('link-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (chosen.length > 0) void open();
    else part('add-files').focus();
  });
  showScreen('choose-screen', { focus: false });
}

start();
