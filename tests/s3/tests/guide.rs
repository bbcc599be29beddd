//! The guide for those who come from Aspera, with its S3 procedures against a Ceph that really encrypts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sealift_s3::{ACCESS_ID, Ceph, SECRET, offline};
use sealift_tests::Sandbox;

#[test]
fn both_procedures_of_the_guide_end_in_encrypted_objects() {
    if offline("both procedures of the guide") {
        return;
    }
    let ceph = Ceph::shared();
    ceph.make_bucket("guide");
    let sandbox = Sandbox::new()
        .place(
            "s3.us-west-2.amazonaws.com/my_bucket",
            &format!("{}/guide", ceph.address()),
        )
        .place("s3.us-west-2.amazonaws.com", &ceph.address().to_string())
        .place(
            "arn:aws:kms:us-west-2:111122223333:key/9120a367-8204-4752-8b0f-1ca9d90e8ec3",
            "vk-1",
        )
        .variable("AWS_ACCESS_KEY_ID", ACCESS_ID)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET)
        .variable("AWS_REGION", "us-east-1");
    sandbox.replay(true);
    // What the last step sent lies in the bucket, and not as it was sent there.
    let objects = ceph.objects("guide");
    let body = objects.iter().find(|name| name.contains(".body"));
    let body = body.unwrap_or_else(|| panic!("no body was stored: {objects:?}"));
    assert!(!ceph.device_bytes(body).is_empty());
}
