/** The Receive page: a link is opened, its password asked once, and the files come out under their real names. */
import { checkEnvironment, openLink, SealiftError, type Package } from '../../src/sdk';
import { takeAddress } from './address';
import { ContentsView, saveAddresses } from './contents';
import { showFailure, type WayOut } from './failure';
import { unlock } from './lock';
import { say, showScreen } from './screens';
import * as words from './words';

/** The link with its secret part, which leaves the address bar at once (rule L7). */
const link = takeAddress();

async function receive(): Promise<void> {
  showScreen('loading-screen', { focus: false });
  try {
    const pkg = await openLink(link).catch((thrown: unknown) => {
      const cut = SealiftError.from(thrown).code === 'cut_link' && !link.includes('#');
      throw cut ? withoutSecret() : thrown;
    });
    const contents = await unlock(pkg, {
      title: 'Someone sent you files',
      lead: summary(pkg),
      keep: () => {
        saveAddresses([pkg.encryptedUrl()]);
        say('Your browser saves it now, still encrypted.');
      },
    });
    new ContentsView(pkg, contents, { keepEncrypted: true }).show();
  } catch (thrown) {
    const error = SealiftError.from(thrown);
    const again: WayOut = { label: 'Try again', act: () => void receive() };
    showFailure(error, error.retryable ? { retry: again } : {});
  }
}

/** What can be said before the password: the padded size and the day, nothing else is known. */
function summary(pkg: Package): string {
  const until = pkg.expiresAt ? `, available until ${words.date(pkg.expiresAt)}` : '';
  return `About ${words.bytes(pkg.storedBytes)}${until}.`;
}

/** A reload does this too, since the page hides that part of the address. */
function withoutSecret(): SealiftError {
  return new SealiftError(
    'cut_link',
    'The part of the link after the # is missing, and without it nothing can be opened. Open the link from your message once more, or copy it again up to its last character. If you have just reloaded this page, that is normal: for safety it does not keep that part.',
  );
}

const missing = checkEnvironment();
if (missing) showFailure(missing);
else void receive();
