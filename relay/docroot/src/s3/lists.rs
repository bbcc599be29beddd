//! Lists and deletion of folders, page by page: in bounded memory, whatever a server answers.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::answer::explain;
use super::{Cause, S3, S3Error};
use crate::DocrootError;

/// Objects deleted at once.
const DELETIONS: usize = 8;
/// Names that a list may have: of packages in a docroot, or of objects in one.
const NAMES_MAX: usize = 1_000_000;
/// Pages that a list may have. S3 gives 1,000 names on each; some servers give fewer.
const PAGES_MAX: usize = 20_000;

/// An object as a list shows it: no key is needed for that.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) length_bytes: u64,
    pub(super) etag: Option<String>,
}

/// A page of a list of objects.
struct Page {
    objects: Vec<Listed>,
    folders: Vec<String>,
    next: Option<String>,
}

/// Counts what a list has answered, and ends one that does not end by itself.
#[derive(Default)]
pub(super) struct Bound {
    names: usize,
    pages: usize,
}

impl Bound {
    /// Counts a page, before another is asked for.
    pub(super) fn page(&mut self, operation: &'static str, names: usize) -> Result<(), S3Error> {
        self.pages += 1;
        self.names += names;
        if self.names > NAMES_MAX || self.pages > PAGES_MAX {
            return Err(S3Error::new(Cause::Failed, operation, "a list without end"));
        }
        Ok(())
    }
}

impl S3 {
    /// What a list shows of one object: no KMS is asked for it.
    pub(super) async fn listed(&self, key: &str) -> Result<Option<Listed>, S3Error> {
        let answer = self
            .small()
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(key)
            .max_keys(1)
            .send()
            .await
            .map_err(|error| explain("ListObjectsV2", &error))?;
        Ok(answer
            .contents()
            .iter()
            .filter_map(listed)
            .find(|object| object.key == key))
    }

    /// One page of the objects whose key begins so; with a delimiter, of the folders.
    async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        from: Option<String>,
    ) -> Result<Page, S3Error> {
        let answer = self
            .small()
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .set_continuation_token(from)
            .send()
            .await
            .map_err(|error| explain("ListObjectsV2", &error))?;
        let folders = answer.common_prefixes().iter();
        let folders = folders.filter_map(|common| common.prefix());
        let folders = folders.filter_map(|name| name.strip_prefix(prefix)?.strip_suffix('/'));
        Ok(Page {
            objects: answer.contents().iter().filter_map(listed).collect(),
            folders: folders.map(str::to_owned).collect(),
            next: answer.next_continuation_token().map(str::to_owned),
        })
    }

    /// The keys in a folder, without what they all begin with.
    async fn below(&self, folder: &str) -> Result<Vec<String>, S3Error> {
        let prefix = format!("{}{folder}/", self.prefix());
        let (mut names, mut next, mut bound) = (Vec::new(), None, Bound::default());
        loop {
            let page = self.page(&prefix, None, next).await?;
            let objects = page.objects.iter();
            let here = objects.filter_map(|object| object.key.strip_prefix(&prefix));
            names.extend(here.map(str::to_owned));
            next = page.next;
            if next.is_none() {
                return Ok(names);
            }
            bound.page("ListObjectsV2", page.objects.len())?;
        }
    }

    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, DocrootError> {
        let mut names = self.below(folder).await?;
        names.retain(|leaf| !leaf.is_empty() && !leaf.contains('/'));
        Ok(names)
    }

    /// Whether everything below a folder, deeper folders and unfinished uploads too, has a leaf of this kind.
    pub(crate) async fn holds_only(
        &self,
        folder: &str,
        is: impl Fn(&str) -> bool,
    ) -> Result<bool, DocrootError> {
        let prefix = format!("{}{folder}/", self.prefix());
        let uploads = self.uploads_under(&prefix).await?;
        let mut uploads = uploads.iter();
        let known = uploads.all(|upload| upload.key.strip_prefix(&prefix).is_some_and(&is));
        Ok(known && self.below(folder).await?.iter().all(|leaf| is(leaf)))
    }

    pub(crate) async fn folders(&self) -> Result<Vec<String>, DocrootError> {
        let prefix = self.prefix();
        let (mut folders, mut next, mut bound) = (Vec::new(), None, Bound::default());
        loop {
            let page = self.page(&prefix, Some("/"), next).await?;
            bound.page("ListObjectsV2", page.folders.len())?;
            folders.extend(page.folders);
            next = page.next;
            if next.is_none() {
                return Ok(folders);
            }
        }
    }

    /// Ends every upload under a folder, then deletes every object in it, page by page.
    pub(crate) async fn delete_folder(&self, folder: &str) -> Result<(), DocrootError> {
        let prefix = format!("{}{folder}/", self.prefix());
        for upload in self.uploads_under(&prefix).await? {
            self.abort_upload(&upload.key, &upload.upload_id).await?;
        }
        let (mut next, mut bound) = (None, Bound::default());
        loop {
            let page = self.page(&prefix, None, next).await?;
            bound.page("ListObjectsV2", page.objects.len())?;
            stream::iter(page.objects)
                .map(|object| async move { self.delete_key(&object.key).await })
                .buffer_unordered(DELETIONS)
                .try_collect::<()>()
                .await?;
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

fn listed(object: &aws_sdk_s3::types::Object) -> Option<Listed> {
    Some(Listed {
        key: object.key()?.to_owned(),
        length_bytes: object.size().and_then(|n| u64::try_from(n).ok())?,
        etag: object.e_tag().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_end_is_ended() {
        let mut bound = Bound::default();
        assert!((0..PAGES_MAX).all(|_| bound.page("X", 0).is_ok()));
        assert!(bound.page("X", 0).is_err());
        assert!(Bound::default().page("X", NAMES_MAX + 1).is_err());
    }
}
