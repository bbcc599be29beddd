//! Texts that people paste: links, fragments, recipients, identities.

use sealift_envelope::{Identity, Recipient};
use sealift_protocol::PackageId;
use sealift_protocol::link::{BareLink, Fragment, Link};

/// A link or its fragment: what is understood is written back as it was.
pub fn fragment(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    for package in [None, Some(PackageId([1; 16]))] {
        if let Ok(fragment) = Fragment::decode(text, package.as_ref()) {
            assert_eq!(&**fragment.encode(package.as_ref()), text);
        }
    }
    if let Ok(link) = Link::parse(text) {
        let url = link.to_url();
        let again = Link::parse(&url).expect("a link is read as it is written");
        assert_eq!(&*again.to_url(), &*url);
    }
    if let Ok(bare) = BareLink::parse(text) {
        assert!(text.contains(&bare.relay));
        assert!(Link::parse(text).is_err());
    }
}

/// The text of a public or secret key, or a file of them: a key has one text, in either case.
pub fn recipient(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert_eq!(recipient.to_string(), text.trim().to_lowercase());
        assert_eq!(recipient.fingerprint().len(), 39);
    }
    if let Ok(identity) = Identity::parse(text) {
        assert_eq!(&**identity.to_secret_text(), text.trim().to_uppercase());
        let file = Identity::parse_file(&identity.to_file_text());
        let again = &file.expect("a file is read as it is written")[0];
        assert!(again.recipient() == identity.recipient());
    }
    if let Ok(recipients) = Recipient::parse_file(text) {
        assert!(!recipients.is_empty());
    }
    if let Ok(identities) = Identity::parse_file(text) {
        assert!(!identities.is_empty());
    }
}
