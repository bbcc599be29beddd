//! What happens at once to one package.

use std::sync::Arc;

use sealift_config::{Live, Settings};
use sealift_docroot::Docroot;
use sealift_docroot::simulated::{Plant, SimulatedDisk};
use sealift_protocol::ClientId;
use sealift_protocol::format;
use sealift_protocol::message::{Create, Role, sha256};

use super::*;
use crate::docroots::Docroots;
use crate::names;
use crate::power_cut::records::InMemory;
use crate::power_cut::sealed::Sealed;

#[tokio::test]
async fn two_heads_of_one_file_at_once_leave_the_one_that_was_recorded() {
    let disk = SimulatedDisk::new(1, Plant::Nothing);
    let storage = Arc::new(Storage {
        docroots: Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
        records: Arc::new(InMemory::new(disk, false)),
        config: Live::new(Settings::default().into()),
        metrics: Arc::default(),
        trunks: Default::default(),
    });
    let mut sealed = Sealed::new(1);
    let (package, owner) = (sealed.package, sha256(&sealed.owner.0));
    let store = Store::new(Arc::clone(&storage), package, owner, None, None);
    let create = StorageRequest::Create {
        create: Create {
            keyring: sealed.keyring.clone(),
            draft: sealed.draft.clone(),
            expires_in_s: None,
        },
        epoch: Epoch(1),
        client_id: ClientId([1; 16]),
    };
    store.execute(create).await.unwrap();
    let file = sealed.file(format::Role::File, 4096);
    let other = sealed.head(format::Role::File, Some(file.geometry), file.id, package);
    assert!(other != file.head);
    let add = |head: &Vec<u8>| StorageRequest::AddFile {
        file: file.id,
        role: Role::Content,
        head: head.clone(),
    };
    let (first, second) = tokio::join!(store.execute(add(&file.head)), store.execute(add(&other)));
    assert_ne!(first.is_ok(), second.is_ok());
    let docroot = storage.docroots.one("default").unwrap();
    let name = names::head(package, file.id).unwrap();
    let stored = docroot.get(&name, 1 << 20).await.unwrap();
    let known = storage.records.package(package).await.unwrap().unwrap();
    assert_eq!(sha256(&stored), known.files[0].head_sha256);
    // Asked again, each has its answer.
    let (kept, refused) = match first.is_ok() {
        true => (&file.head, &other),
        false => (&other, &file.head),
    };
    store.execute(add(kept)).await.unwrap();
    let conflict = store.execute(add(refused)).await.unwrap_err();
    assert_eq!(conflict, StorageError::Code(Code::Conflict));
}
