/** The Manage page: what the sender's second link allows. Changing who can open the package is in change.ts. */
import {
  checkEnvironment, clearStaging, readManageLink, SealiftError,
  type KeyringNeeds, type ManagedInfo, type ManagedPackage,
} from '../../src/sdk';
import { takeAddress } from './address';
import { ChangeForm, wireUndo } from './change';
import { button, byId, el, icon, part, setText } from './dom';
import { showFailure } from './failure';
import { keyringRows, showReport, slotWords } from './report';
import { say, showScreen } from './screens';
import * as words from './words';

const link = takeAddress();

async function manage(): Promise<void> {
  showScreen('loading-screen', { focus: false });
  try {
    const managed = await readManageLink(link);
    const info = await managed.info();
    show(info);
    wireDelete(managed);
    if (info.state === 'finished') await showAccess(managed);
    showScreen('manage-screen');
    say('Your package');
  } catch (thrown) {
    fail(thrown);
  }
}

function fail(thrown: unknown): void {
  const error = SealiftError.from(thrown);
  const again = { label: error.code === 'keyring_changed' ? 'Look at it again' : 'Try again', act: () => void manage() };
  showFailure(error, error.retryable || error.code === 'keyring_changed' ? { retry: again } : {});
}

function show(info: ManagedInfo): void {
  const finished = info.expiresAt !== null && info.state === 'finished';
  setText(
    part('manage-lead'),
    finished ? 'It can be opened with the link you passed on.' : 'It is not finished yet: not everything has arrived.',
  );
  setText(part('manage-until'), info.expiresAt ? words.date(info.expiresAt) : 'Not settled before it is finished.');
  setText(part('manage-created'), words.date(info.createdAt));
  setText(part('manage-stored'), `${words.bytes(info.storedBytes)}, encrypted. Names and contents cannot be seen from here.`);
  part('manage-access').hidden = part('report').hidden = true;
  changed('');
}

/** A sentence about what was just done, above everything. */
function changed(text: string): void {
  part('manage-changed').hidden = text === '';
  setText(part('manage-changed').querySelector('p') as Element, text);
}

async function showAccess(managed: ManagedPackage): Promise<void> {
  const byLink = await managed.opensByLink();
  const form = new ChangeForm(managed, byLink, {
    done: () => void after(managed, 'Changed. From now on only what is listed below opens it.'),
    back: () => showScreen('manage-screen'),
    failed: fail,
  });
  button('change-password').onclick = () => form.show('password');
  button('change-keys').onclick = () => form.show('keys');
  wireUndo(managed, byLink, {
    done: () => void after(managed, 'Undone. What opened it before opens it again.'),
    failed: fail,
  });
  await list(managed, await managed.keyring());
}

async function after(managed: ManagedPackage, text: string): Promise<void> {
  await showAccess(managed);
  changed(text);
  showScreen('manage-screen');
  say(text);
}

async function list(managed: ManagedPackage, keyring: KeyringNeeds): Promise<void> {
  const { slots, generation } = keyring;
  const rows = slots.map((slot) => {
    const [name, detail] = slotWords(slot);
    return el('li', 'key', icon(slot.kind === 'recipient' ? 'people' : slot.kind === 'link' ? 'open' : 'key'), el('div', '', name, el('p', 'help', detail)));
  });
  part('manage-slots').replaceChildren(...rows);
  const fixed = slots.every(({ kind }) => kind === 'recipient' || kind === 'unknown');
  for (const id of ['change-password', 'change-keys']) part(id).hidden = fixed;
  part('manage-fixed').hidden = !fixed;
  part('manage-before').hidden = fixed || (await managed.previous()) === null;
  part('manage-access').hidden = part('report').hidden = false;
  const proved = 'Its checksum is right. Whether it was made with the package key is checked when it is opened.';
  showReport([...keyringRows(keyring, generation > 1 ? `${proved} Not older than what this browser has seen.` : proved)], await managed.where());
}

function wireDelete(managed: ManagedPackage): void {
  const dialog = byId('confirm', HTMLDialogElement);
  button('delete').onclick = () => {
    dialog.showModal();
    button('confirm-keep').focus();
  };
  button('confirm-keep').onclick = () => dialog.close();
  button('confirm-delete').onclick = () => {
    button('confirm-delete').disabled = true;
    managed
      .delete()
      .then(
        () => {
          managed.lock();
          showScreen('deleted-screen');
          say('Deleted');
        },
        (thrown: unknown) => showFailure(SealiftError.from(thrown), { retry: { label: 'Try again', act: () => void manage() } }),
      )
      .finally(() => {
        dialog.close();
        button('confirm-delete').disabled = false;
        document.querySelector<HTMLElement>('.screen:not([hidden]) h1')?.focus();
      });
  };
}

void clearStaging();
const missing = checkEnvironment();
if (missing) showFailure(missing);
else void manage();
