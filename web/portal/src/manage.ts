/** The Manage page: what the sender's second link allows, which is to look at a package and to delete it. */
import { checkEnvironment, clearStaging, readManageLink, SealiftError, type ManagedInfo, type ManagedPackage } from '../../src/sdk';
import { takeAddress } from './address';
import { button, byId, part, setText } from './dom';
import { showFailure } from './failure';
import { say, showScreen } from './screens';
import * as words from './words';

const link = takeAddress();

async function manage(): Promise<void> {
  showScreen('loading-screen', { focus: false });
  try {
    const managed = await readManageLink(link);
    show(await managed.info());
    wireDelete(managed);
  } catch (thrown) {
    const error = SealiftError.from(thrown);
    showFailure(error, error.retryable ? { retry: { label: 'Try again', act: () => void manage() } } : {});
  }
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
  showScreen('manage-screen');
  say('Your package');
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
