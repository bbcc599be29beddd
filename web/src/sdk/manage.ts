/** What a manage link allows: look at a package and delete it. */
import { askKdf, withoutQuery } from './core';
import { SealiftError } from './error';
import { ask, packageInfo, type PackageInfo } from './relay';
import type { ManageLink } from '../worker/kdf-answers';

export type ManagedInfo = PackageInfo;

/** A package, in the hands of its sender. */
export class ManagedPackage {
  private readonly link: Promise<ManageLink>;

  constructor(link: string, readonly packageId: string) {
    this.link = askKdf<ManageLink>('readManageLink', withoutQuery(link));
    this.link.catch(() => {}); // told to whoever asks
  }

  /** State, times and sizes, as the relay knows them. */
  async info(): Promise<ManagedInfo> {
    const link = await this.link;
    return packageInfo(link.relay, link.package);
  }

  /** Deletes the package from the relay, for good. */
  async delete(): Promise<void> {
    const link = await this.link;
    await ask(`${link.relay}/api/packages/${link.package}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${link.token}` },
    });
  }
}

/**
 * @throws SealiftError `bad_link` when it is no manage link at all. Whether it is whole is checked before its first
 * use, which then fails with `cut_link`.
 */
export function readManageLink(link: string): ManagedPackage {
  const packageId = /\/manage\/([\w-]+)\/?(?:[?#]|$)/.exec(link)?.[1];
  if (!packageId) throw new SealiftError('bad_link');
  return new ManagedPackage(link, packageId);
}

/** The grant of a send link; null when there is no fragment. */
export async function readSendLink(link: string): Promise<string | null> {
  const fragment = link.split('#')[1];
  return fragment ? askKdf<string>('readSendLink', withoutQuery(link)) : null;
}
