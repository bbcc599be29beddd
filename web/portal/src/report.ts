/**
 * The protection report: how a package is protected, in two columns that never mix: what this computer checked, and what
 * the relay says.
 */
import { relayReport, SealiftError, type KeyringNeeds, type KeySlot, type RelayReport, type Transport } from '../../src/sdk';
import { byId, el, part } from './dom';
import * as words from './words';

export type Row = [term: string, value: string];

const TRANSPORTS: Record<Transport | 'https', string> = { webtransport: 'WebTransport', websocket: 'WebSocket', https: 'HTTPS' };

/** What opens one slot, in words: for whom it is, and what protects it. */
export function slotWords({ kind, memory, passes }: KeySlot): [name: string, detail: string] {
  const cost = `Argon2id: each guess costs ${Math.round(memory / 1024)} MiB, ${words.count(passes, 'time', 'times')} over`;
  switch (kind) {
    case 'password': return ['A password', cost];
    case 'password_and_link': return ['The link together with a password', cost];
    case 'link': return ['The link by itself', '256 random bits'];
    case 'recipient': return ['The owner of a public key', 'X25519 and ML-KEM-768'];
    default: return ['Something that this version does not know', ''];
  }
}

/** Rows about a keyring. `opened` says what of it is proved. */
export function keyringRows(keyring: KeyringNeeds, opened: string): Row[] {
  const counted = new Map<string, number>();
  for (const slot of keyring.slots) {
    const [name, detail] = slotWords(slot);
    const text = detail ? `${name} (${detail})` : name;
    counted.set(text, (counted.get(text) ?? 0) + 1);
  }
  const ways = [...counted].map(([text, times]) => (times > 1 ? `${text}, ${times} times` : text));
  return [
    ['Files', 'Each sealed with a key of its own, AES-256-GCM in segments of 512 KiB (suite 1)'],
    ['What opens it', `${ways.join('. ')}.`],
    ['Keyring', `Number ${keyring.generation}${keyring.generation > 1 ? ', so who can open it was changed' : ', the first'}. ${opened}`],
  ];
}

/** Fills the report. The relay is asked when it is opened, and only then. */
export function showReport(checked: Row[], stored: { relay: string; packageId: string } | null): void {
  const details = byId('report', HTMLDetailsElement);
  details.open = false;
  fill('report-checked', checked);
  fill('report-said', [['', stored ? 'Asking…' : 'Nothing. The file lies on this computer, and no relay was asked.']]);
  details.ontoggle = () => {
    if (!details.open || !stored) return;
    relayReport(stored.relay, stored.packageId).then(
      (said) => fill('report-said', saidRows(said)),
      (thrown: unknown) => {
        const error = SealiftError.from(thrown);
        fill('report-said', [['', error.code === 'not_found' ? 'This relay gives no report.' : error.message]]);
      },
    );
  };
}

function saidRows({ sealedBy, transports, docroot, storage, keyringGeneration, createdAt, finishedAt }: RelayReport): Row[] {
  const { kind, sse } = storage;
  const verified = sse?.verifiedAt ? `, seen on the storage on ${words.date(sse.verifiedAt)}` : ', not verified on the storage';
  return [
    ['Sealed by', sealedBy ? words.shownName(sealedBy) : 'It does not say'],
    ['Came over', transports.map((name) => TRANSPORTS[name as Transport] ?? words.shownName(name)).join(', ') || 'It does not say'],
    ['Stored in', `${words.shownName(docroot)} (${words.shownName(kind)})`],
    ['Encrypted once more by the storage', sse ? `${words.shownName(sse.algorithm)}${sse.key ? `, key ${words.shownName(sse.key)}` : ''}${verified}` : 'No. What lies there is sealed already.'],
    ['Keyring', `Number ${keyringGeneration}`],
    ['Begun', words.date(createdAt)],
    ['Complete', finishedAt ? words.date(finishedAt) : 'Not yet'],
  ];
}

function fill(id: string, rows: Row[]): void {
  part(id).replaceChildren(...rows.map(([term, value]) => el('div', '', ...(term ? [el('dt', '', term)] : []), el('dd', '', value))));
}
